"""The bucket of the compose file's lake, on a real endpoint on loopback."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.remote import connected
from infra.make_bucket import make_bucket
from tests.infra.files import INFRA
from tests.lake.bucket import SECRET, set_environment
from tests.lake.servers import free_port, moto


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_a_bucket_is_made_once_and_can_be_written_to(
    endpoint: str, region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://lake-in-{region}/prefix"
    set_environment(monkeypatch, endpoint, url, tmp_path)
    monkeypatch.setenv("AWS_REGION", region)
    with pytest.raises(StoreError, match="does not exist: make the bucket"):
        connected(url).write("key", b"content")
    assert make_bucket(url)
    connected(url).write("key", b"content")
    assert not make_bucket(url)
    assert connected(url).read("key") == b"content"


def test_a_server_that_is_not_there_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, f"http://127.0.0.1:{free_port()}", "s3://lake", tmp_path)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    command = [sys.executable, str(INFRA / "make_bucket.py")]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("StoreError: s3://lake cannot be reached at http://127.0.0.1:")
    assert told.stderr.count("\n") == 1
    assert SECRET not in told.stderr
