"""What tests of the lake share: an environment that names a bucket, artifacts to put there, what a folder holds."""

import urllib.request
from pathlib import Path

import pytest

from agentworld_dag.lake.remote import connected

KEY, SECRET = "AKIATESTTESTTESTTEST", "wJalrXUtnFEMI-a-secret-nobody-may-see"
MIB = 1 << 20
ASSET = "world_model_cpt/round-0001/0123456789ab"


def set_environment(monkeypatch: pytest.MonkeyPatch, endpoint: str, url: str, home: Path) -> None:
    given = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    given |= {"AWS_ENDPOINT_URL": endpoint, "AWS_MAX_ATTEMPTS": "3", "AWS_EC2_METADATA_DISABLED": "true"}
    given |= {"AGENTWORLD_LAKE": url, "AGENTWORLD_HOME": str(home)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    connected.cache_clear()


def make_bucket(endpoint: str, name: str) -> None:
    """On moto, which asks nobody for a signature; a client of S3 takes a second to make."""
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{name}", method="PUT")).close()


def make_artifact(root: Path, text: str = "one", size: int = 0, fingerprint: str = "0123456789ab") -> Path:
    """A complete artifact in the lake below a home, with a checkpoint of `size` bytes."""
    folder = root / "lake" / "world_model_cpt" / "round-0001" / fingerprint
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "checkpoint" / "model.safetensors").write_bytes(text.encode() * (size // len(text) or 1))
    (folder / "metrics.jsonl").write_text(f'{{"text": "{text}"}}\n')
    (folder / "empty").touch()
    (folder / ".lock").touch()
    (folder / "result.json").write_text(f'{{"metrics": {{"loss": 1}}, "inputs": {{}}, "by": "{text}"}}')
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """What a folder holds, locks aside."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
