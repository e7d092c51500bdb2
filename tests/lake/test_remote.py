"""What is said when the remote cannot be used, and that no key is ever in it."""

from pathlib import Path

import pytest

from agentworld_dag.errors import ConfigError, StoreError
from agentworld_dag.lake.digests import sha256_of
from agentworld_dag.lake.remote import Remote, connected
from tests.lake.bucket import KEY, SECRET, make_artifact, set_environment
from tests.lake.proxy import Fault, Proxy
from tests.lake.servers import free_port

REFUSED = b"<Error><Code>%b</Code><Message>The key %b</Message><AWSAccessKeyId>%b</AWSAccessKeyId></Error>"


@pytest.mark.parametrize("url", ["bucket/prefix", "http://host/bucket", "s3://", "s3:///prefix", "s3://b?x=1"])
def test_what_is_no_place_on_s3_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match=r"AGENTWORLD_LAKE is .* expected s3://bucket"):
        connected(url)


def test_keys_in_an_address_are_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="AGENTWORLD_LAKE holds an @") as refused:
        connected(f"s3://{KEY}:{SECRET}@bucket")
    assert SECRET not in str(refused.value)
    set_environment(monkeypatch, f"http://{KEY}:{SECRET}@127.0.0.1:1", "s3://bucket", tmp_path)
    with pytest.raises(ConfigError, match="holds a user or a password") as refused:
        connected("s3://bucket")
    assert SECRET not in str(refused.value)


def test_a_missing_bucket_is_named(remote: Remote, tmp_path: Path) -> None:
    missing = connected("s3://no-such-bucket/lake")
    for ask in (lambda: missing.read("key"), lambda: missing.write("key", b""), lambda: missing.names("key")):
        with pytest.raises(StoreError, match="s3://no-such-bucket/lake does not exist: make the bucket"):
            ask()


@pytest.mark.parametrize("code", [b"SignatureDoesNotMatch", b"InvalidAccessKeyId", b"AccessDenied"])
def test_wrong_keys_are_named_and_never_shown(remote: Remote, proxy: Proxy, tmp_path: Path, code: bytes) -> None:
    proxy.befalls = lambda request: Fault(status=403, body=REFUSED % (code, SECRET.encode(), KEY.encode()))
    path = make_artifact(tmp_path) / "result.json"
    for ask in (
        lambda: remote.read("key"),
        lambda: remote.claim("key", b""),
        lambda: remote.upload(path, "key", sha256_of(path)),
        lambda: remote.download("key", tmp_path / "file", "0"),
        lambda: remote.names("key"),
        lambda: remote.remove("key"),
    ):
        with pytest.raises(StoreError, match="may not be used with these keys") as refused:
            ask()
        assert_no_key_in(refused.value)


def test_a_server_that_is_not_there_is_named(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    connected.cache_clear()
    with pytest.raises(StoreError, match=r"cannot be reached at http://127.0.0.1:\d+ \(EndpointConnectionError\)"):
        connected(url).read("key")


def test_without_keys_it_says_which_are_needed(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    connected.cache_clear()
    with pytest.raises(StoreError, match="needs keys and found none: set AWS_ACCESS_KEY_ID"):
        connected(url).read("key")


def test_removing_takes_what_is_below_a_key_and_nothing_beside_it(remote: Remote) -> None:
    for key in ("a/1", "a/b/2", "ab/3"):
        remote.write(key, b"x")
    remote.remove("a")
    remote.remove("nothing")
    assert remote.names("") == ["ab"]
    assert remote.names("nothing") == []


def assert_no_key_in(error: BaseException) -> None:
    """Neither in what is said, nor in what a traceback would show before it."""
    chain: BaseException | None = error
    while chain:
        assert SECRET not in str(chain)
        assert KEY not in str(chain)
        chain = None if chain.__suppress_context__ else chain.__cause__ or chain.__context__
