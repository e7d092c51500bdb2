"""Puts a complete folder into the remote: whole or not at all, and never over what is there.

    <name>/<content>/...         the files of a version, under a name that follows from their bytes
    <name>/<content>.json        its manifest
    <name>/manifest.json         the manifest of the version that stands; written once, last, if there is none

Readers look at `manifest.json` alone. A publisher that is killed leaves files
nobody reads, and one that goes on sends what is missing. Of two publishers the
first to write `manifest.json` wins, by a conditional put; the other's version
lies beside it, complete. Removing such versions is left to people.
"""

from pathlib import Path

from agentworld_dag.errors import StoreError
from agentworld_dag.lake.manifest import Manifest, manifest_of, parse_manifest
from agentworld_dag.lake.remote import Remote, pause_before

MANIFEST = "manifest.json"
CLAIMS = 5


def publish(remote: Remote, folder: Path, name: str) -> bool:
    """Publish a complete folder under `name`. False where another version of that name stands. Raises StoreError."""
    own = manifest_of(folder)
    standing = standing_version(remote, name)
    if standing is None or standing.content != own.content:
        _put_aside(remote, folder, name, own)
        standing = standing or _claim(remote, name, own)
    return standing.content == own.content


def standing_version(remote: Remote, name: str) -> Manifest | None:
    """What is published under `name`; None where nothing is."""
    key = f"{name}/{MANIFEST}"
    content = remote.read(key)
    return None if content is None else parse_manifest(content, f"{remote.url}/{key}")


def _put_aside(remote: Remote, folder: Path, name: str, own: Manifest) -> None:
    for path, entry in own.files.items():
        remote.upload(folder / path, f"{name}/{own.content}/{path}", entry.sha256)
    remote.write(f"{name}/{own.content}.json", own.as_json())


def _claim(remote: Remote, name: str, own: Manifest) -> Manifest:
    """The version that stands afterwards; what is read back also tells a claim whose answer was lost on the way."""
    for attempt in range(CLAIMS):
        pause_before(attempt)
        remote.claim(f"{name}/{MANIFEST}", own.as_json())
        if standing := standing_version(remote, name):
            return standing
    raise StoreError(f"{remote.url}/{name}/{MANIFEST} was written {CLAIMS} times and is not there; ask who removes it")
