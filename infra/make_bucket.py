"""Makes the bucket of AGENTWORLD_LAKE, unless it is there. Keys, region and endpoint are the lake's own (AWS_*).

python infra/make_bucket.py
"""

import os
import sys
from urllib.parse import urlsplit

from agentworld_dag.errors import AgentWorldError
from agentworld_dag.home import REMOTE_LAKE
from agentworld_dag.lake.refusals import naming_refusals
from agentworld_dag.lake.remote import connected, endpoint, region

EVERYWHERE = "us-east-1"
"""The one region that S3 wants unnamed when a bucket is made in it."""


def make_bucket(url: str) -> bool:
    """False where it was there. Raises ConfigError, and StoreError where the server refuses or cannot be reached."""
    files, bucket = connected(url).files, urlsplit(url).netloc
    place = region() or EVERYWHERE
    options = {} if place == EVERYWHERE else {"CreateBucketConfiguration": {"LocationConstraint": place}}
    with naming_refusals(url, endpoint()):
        try:
            files.call_s3("head_bucket", Bucket=bucket)
            return False
        except FileNotFoundError:
            files.call_s3("create_bucket", Bucket=bucket, **options)
    return True


if __name__ == "__main__":
    lake = os.environ.get(REMOTE_LAKE, "")
    try:
        print(f"{lake}: {'made' if make_bucket(lake) else 'was there'}")
    except AgentWorldError as error:
        sys.exit(f"{type(error).__name__}: {error}")
