"""The lake's remote: a bucket, or a prefix in one, on S3 or a server that speaks its protocol.

Keys, region and endpoint come from the variables that every S3 client knows
(`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`,
`AWS_ENDPOINT_URL`, `AWS_MAX_ATTEMPTS`), profiles and machine roles included, and
are never shown. Requests that meet 5xx, throttling, a time-out or a broken
connection are repeated by botocore, later each time and with jitter. What an
artifact is, is left to `publishing` and `fetching`.
"""

import hashlib
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agentworld_dag.errors import ConfigError, StoreError
from agentworld_dag.lake.digests import etag_of, sha256_of
from agentworld_dag.lake.refusals import NO_SUCH_KEY, TAKEN, code_of, naming_refusals, transient

if TYPE_CHECKING:
    from s3fs import S3FileSystem

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
ATTEMPTS = 6
"""Of one request, unless AWS_MAX_ATTEMPTS says otherwise; the waits between them add up to half a minute at most."""
READINGS = 2
"""Of a small answer: botocore repeats a request until its answer begins, and not when it breaks off."""
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10, 30
"""The second one counts from the last byte that came, not from the first."""
PART_BYTES, MAX_PARTS = 64 << 20, 10_000
PARTS_AT_ONCE = 4
DOWNLOADS = 4
"""How often a file is fetched before its bytes are given up as wrong."""


@dataclass(frozen=True)
class Remote:
    """Objects by key below one prefix. Every method raises StoreError where the server cannot be asked."""

    url: str
    files: "S3FileSystem"
    part_bytes: int = PART_BYTES
    """Of a large upload; at least 5 MiB, the protocol says."""

    def read(self, key: str) -> bytes | None:
        """None where there is no such object."""
        with self._asking():
            try:
                content: Any = self.files.cat_file(self._path(key), max_concurrency=1)  # more ask for the size first
                return content
            except FileNotFoundError as error:
                if code_of(error) not in NO_SUCH_KEY:
                    raise
                return None

    def write(self, key: str, content: bytes) -> None:
        with self._asking():
            self.files.pipe_file(self._path(key), content)

    def claim(self, key: str, content: bytes) -> bool:
        """Write it unless there is such an object; of several at once one is written. False where it was not."""
        with self._asking():
            try:
                self.files.pipe_file(self._path(key), content, mode="create")
            except OSError as error:
                if code_of(error) not in TAKEN:
                    raise
                return False
        return True

    def upload(self, path: Path, key: str, sha256: str) -> None:
        """Put a file there, and be sure that these are its bytes; what is there already is not sent again."""
        size = path.stat().st_size
        part_bytes = max(self.part_bytes, -(-size // MAX_PARTS))
        etag, found = etag_of(path, part_bytes)
        if found != sha256:
            raise StoreError(f"{path} changed while it was being published; stop whatever writes to it and run again")
        if self._holds(key, size, etag, sha256):
            return
        with self._asking():
            self.files.put_file(str(path), self._path(key), chunksize=part_bytes, max_concurrency=PARTS_AT_ONCE)
        if not self._holds(key, size, etag, sha256):
            raise StoreError(f"{self.url}/{key} holds other bytes than {path} after the upload; run again")

    def download(self, key: str, path: Path, sha256: str) -> None:
        """Fetch an object whose bytes have this digest; others are fetched again, and then refused."""
        for attempt in range(DOWNLOADS):
            pause_before(attempt)
            with self._asking(), transient(unless=attempt == DOWNLOADS - 1):
                self.files.get_file(self._path(key), str(path), max_concurrency=PARTS_AT_ONCE)
                if sha256_of(path) == sha256:
                    return
        raise self._other_bytes(key)

    def read_checked(self, key: str, sha256: str) -> bytes:
        """A small object whose bytes have this digest; others are refused."""
        content = self.read(key)
        if content is None or hashlib.sha256(content).hexdigest() != sha256:
            raise self._other_bytes(key)
        return content

    def names(self, key: str) -> list[str]:
        """What lies directly below a key, in no order; empty where there is nothing."""
        with self._asking():
            try:
                found = self.files.ls(self._path(key), detail=False)
            except FileNotFoundError as error:
                if code_of(error) not in ("", *NO_SUCH_KEY):
                    raise
                return []
        return [path.rstrip("/").rpartition("/")[2] for path in found]

    def remove(self, key: str) -> None:
        """Everything below a key; no error where there is nothing."""
        with self._asking():
            for path in self.files.find(self._path(key)):
                self.files.rm_file(path)

    def _holds(self, key: str, size: int, etag: str, sha256: str) -> bool:
        """Whether the object has these bytes: the server's own checksum says so, or else reading it does."""
        bucket, _, name = self._path(key).partition("/")
        with self._asking():
            try:
                found: Any = self.files.call_s3("head_object", Bucket=bucket, Key=name)
            except FileNotFoundError:
                return False
            if found["ContentLength"] != size:
                return False
            # An ETag is no digest of the content where the bucket encrypts with a key service.
            return found["ETag"].strip('"') == etag or self._digest(key) == sha256

    def _digest(self, key: str) -> str:
        """Of what the object holds; empty where its own checksum says that this is damaged."""
        from botocore.exceptions import FlexibleChecksumError

        try:
            with self.files.open(self._path(key), "rb", cache_type="none") as file:
                return sha256_of(file)
        except FlexibleChecksumError:
            return ""

    def _other_bytes(self, key: str) -> StoreError:
        return StoreError(
            f"{self.url}/{key} does not have the bytes it was published with (SHA-256 differs); restore it from a "
            "backup, or delete its version there and run its stage again"
        )

    def _path(self, key: str) -> str:
        return f"{self.url.removeprefix('s3://')}/{key}"

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with naming_refusals(self.url, endpoint()):
            yield


def pause_before(attempt: int) -> None:
    """Longer each time, and with jitter; none before the first, which has the number 0."""
    time.sleep(random.uniform(0, 2 ** (attempt - 1)) if attempt else 0)


def endpoint() -> str:
    """Where the server is, for people. Raises ConfigError where the variable holds a password."""
    url = urlsplit(next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), ""))
    if url.username or url.password:
        raise ConfigError(
            f"{' or '.join(ENDPOINTS)} holds a user or a password, expected http(s)://host:port; keys belong into "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return url.geturl() or "AWS"


def region() -> str | None:
    return next((os.environ[name] for name in REGIONS if os.environ.get(name)), None)


@cache
def connected(url: str) -> Remote:
    """The remote at `s3://bucket/prefix`; asks nothing of it yet. Raises ConfigError."""
    checked = _checked(url)
    endpoint()
    from s3fs import S3FileSystem  # loads in most of a second, which a lake without a remote does without

    retries: dict[str, Any] = {"mode": "standard"}
    if not os.environ.get("AWS_MAX_ATTEMPTS"):
        retries["total_max_attempts"] = ATTEMPTS
    config = {"retries": retries, "connect_timeout": CONNECT_TIMEOUT_S, "read_timeout": READ_TIMEOUT_S}
    client = {"region_name": region()} if region() else {}
    files = S3FileSystem(config_kwargs=config, client_kwargs=client, use_listings_cache=False, skip_instance_cache=True)
    files.retries = READINGS
    return Remote(checked, files)


def _checked(url: str) -> str:
    split = urlsplit(url)
    if "@" in url:
        raise ConfigError("AGENTWORLD_LAKE holds an @, expected s3://bucket/prefix without keys; they come from AWS_*")
    if split.scheme != "s3" or not split.netloc or split.query or split.fragment:
        raise ConfigError(f"AGENTWORLD_LAKE is {url!r}, expected s3://bucket or s3://bucket/prefix; unset: local only")
    return url.rstrip("/")
