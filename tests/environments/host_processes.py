"""Counts processes of a uid, as the host sees them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def processes_of(uid: int) -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _runs_as(entry, uid)]


@contextmanager
def peak_of(uid: int) -> Iterator[list[int]]:
    """Samples the count while the block runs."""
    seen, done = [0], threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(len(processes_of(uid)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def _runs_as(entry: Path, uid: int) -> bool:
    try:
        return entry.stat().st_uid == uid and "State:\tZ" not in (entry / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
