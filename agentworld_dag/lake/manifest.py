"""What a published version consists of: every file with its size and SHA-256, and a name that follows from them."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from agentworld_dag.artifacts import fingerprint
from agentworld_dag.errors import StoreError
from agentworld_dag.lake.digests import sha256_of

ASIDE = re.compile(r"\.(lock|nfs[0-9a-f]+|.+\.\d+(\.tmp)?|.+\.(aside|fetching|replaced|fetch-lock))")
"""Names of locks, of what is written aside before it is renamed, and of what NFS keeps of an open file that is gone.

Other hidden names are content: torch's shards are nothing without their `.metadata`.
"""


@dataclass(frozen=True)
class Entry:
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    files: Mapping[str, Entry]
    """By path below the version's folder, with slashes."""

    @property
    def content(self) -> str:
        """Names the version: two of the same bytes have the same."""
        return fingerprint({path: entry.sha256 for path, entry in self.files.items()})

    def as_json(self) -> bytes:
        return json.dumps({"files": {path: asdict(entry) for path, entry in self.files.items()}}, indent=1).encode()


def manifest_of(folder: Path) -> Manifest:
    """Of a local folder, without what is ASIDE."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    shown = {path.relative_to(folder): path for path in paths}
    files = {
        name.as_posix(): Entry(path.stat().st_size, sha256_of(path))
        for name, path in shown.items()
        if not any(ASIDE.fullmatch(part) for part in name.parts)
    }
    return Manifest(files)


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Raises StoreError where it is none, or names files outside of a version's folder."""
    try:
        files = {path: Entry(**entry) for path, entry in json.loads(content)["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"{where} is no manifest ({type(error).__name__}); delete it and publish again") from error
    if outside := [path for path in files if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts]:
        raise StoreError(f"{where} names a file outside of its version, {outside[0]!r}; delete it and publish again")
    return Manifest(files)
