"""What an S3 server refuses, and what keeps a client from asking it, in words that say what to do.

Messages name the bucket and the endpoint, never a key, and never what the
server said: its answer to a wrong signature quotes the request.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from agentworld_dag.errors import AgentWorldError, StoreError

NO_SUCH_KEY = frozenset({"NoSuchKey", "404"})
TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
"""Answers to a conditional put where somebody else was first, or is at it."""
NOT_DONE = "did not do what was asked ({code}), after repeated attempts; run again"
NOT_REACHED = (
    "cannot be reached at {endpoint} ({error}), after repeated attempts: check AWS_ENDPOINT_URL and the network"
)
WRONG_BYTES = "answers with other bytes than its own checksum says, after repeated attempts: check the network between"
NOT_ALLOWED = "may not be used with these keys ({code}): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rights"
WORDS = {
    "NoSuchBucket": "does not exist: make the bucket, or correct AGENTWORLD_LAKE",
    "AllAccessDisabled": NOT_ALLOWED,
    "AccessDenied": NOT_ALLOWED,
    "403": NOT_ALLOWED,
    "SignatureDoesNotMatch": NOT_ALLOWED,
    "InvalidAccessKeyId": NOT_ALLOWED,
    "ExpiredToken": "refuses keys that have expired ({code}): renew them and run again",
    "RequestTimeTooSkewed": "refuses this machine's clock ({code}): set it and run again",
    "PermanentRedirect": "lies in another region ({code}): set AWS_REGION",
    "AuthorizationHeaderMalformed": "lies in another region ({code}): set AWS_REGION",
    "QuotaExceeded": "is full ({code}): make room there and run again",
}


@contextmanager
def naming_refusals(url: str, endpoint: str) -> Iterator[None]:
    """Turn what botocore and s3fs raise into a StoreError; errors of the local disk and our own pass."""
    try:
        yield
    except AgentWorldError:
        raise
    except Exception as error:
        if why := _why(error, endpoint):
            # Without its cause: what libraries say of a request can hold parts of it.
            raise StoreError(f"{url} {why}") from None
        raise


@contextmanager
def transient(unless: bool) -> Iterator[None]:
    """Let a connection that broke in the middle of an answer pass for one that gave wrong bytes.

    botocore repeats a request until its answer begins, and not after. `unless`: this was the last attempt, after which
    only wrong bytes pass, for the caller to name the file.
    """
    from botocore.exceptions import FlexibleChecksumError

    try:
        yield
    except FlexibleChecksumError:
        return
    except Exception as error:
        if unless or code_of(error) or not _is_of_the_network(error):
            raise


def code_of(error: BaseException) -> str:
    """The server's own code behind an error; empty where there is none."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    return str(response["Error"].get("Code", "")) if isinstance(response, dict) and "Error" in response else ""


def _why(error: Exception, endpoint: str) -> str:
    from botocore.exceptions import FlexibleChecksumError, NoCredentialsError, PartialCredentialsError

    if code := code_of(error):
        return WORDS.get(code, NOT_DONE).format(code=code)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "needs keys and found none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if isinstance(error, FlexibleChecksumError):
        return WRONG_BYTES
    if _is_of_the_network(error):
        return NOT_REACHED.format(endpoint=endpoint, error=type(error).__name__)
    return ""


def _is_of_the_network(error: Exception) -> bool:
    from aiohttp import ClientError
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import HTTPError

    return isinstance(error, BotoCoreError | ClientError | HTTPError | TimeoutError | ConnectionError)
