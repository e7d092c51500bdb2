"""Brings a published version into a local folder: whole or not at all.

It is gathered in a folder aside that nobody looks at, each file checked
against the manifest, and renamed last. A fetch that was cut short keeps the
files it has and goes on.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from agentworld_dag.artifacts import naming_full_disk
from agentworld_dag.lake.digests import sha256_of
from agentworld_dag.lake.manifest import Manifest
from agentworld_dag.lake.publishing import standing_version
from agentworld_dag.lake.remote import Remote
from agentworld_dag.process import only_holder


def fetch(remote: Remote, name: str, folder: Path, is_here: Callable[[Path], bool]) -> bool:
    """Have the version `name` in `folder`, in place of what is there, unless it `is_here`. False where there is none.

    Waits for another fetch of the same. Raises StoreError, also where a stage is at work in the folder.
    """
    version = standing_version(remote, name)
    if version is None:
        return False
    with naming_full_disk(folder), _alone(folder):
        if not is_here(folder):
            aside = _beside(folder, "fetching")
            _gather(remote, name, version, aside)
            _put_in_place(aside, folder)
    return True


def read_file(remote: Remote, name: str, path: str) -> bytes | None:
    """One small file of a published version; None where there is none. Raises StoreError."""
    version = standing_version(remote, name)
    if version is None or path not in version.files:
        return None
    return remote.read_checked(f"{name}/{version.content}/{path}", version.files[path].sha256)


def _gather(remote: Remote, name: str, version: Manifest, aside: Path) -> None:
    for path, entry in version.files.items():
        target = aside / path
        if not (target.is_file() and target.stat().st_size == entry.size and sha256_of(target) == entry.sha256):
            target.parent.mkdir(parents=True, exist_ok=True)
            remote.download(f"{name}/{version.content}/{path}", target, entry.sha256)
            _make_durable(target)
    _drop_others(aside, version)


def _drop_others(aside: Path, version: Manifest) -> None:
    """Files of another version, which an earlier fetch was cut short in."""
    for path in [path for path in aside.rglob("*") if path.is_file()]:
        if path.relative_to(aside).as_posix() not in version.files:
            path.unlink()


def _put_in_place(aside: Path, folder: Path) -> None:
    replaced = _beside(folder, "replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    with only_holder(folder) if folder.is_dir() else nullcontext():
        if folder.is_dir():
            folder.rename(replaced)
        aside.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _beside(folder, "fetch-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f".{folder.name}.{suffix}")


def _make_durable(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
