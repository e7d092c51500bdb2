"""A Parquet file's own SHA-256, in its footer.

Parquet as polars writes it has no checksum, and a flipped bit can pass for
data. The file is written with room for the digest of all its other bytes;
`seal` fills it in. Files are mapped and not read, so their size is no matter.
"""

import hashlib
import mmap
import os
from pathlib import Path

MARK = b"agentworld_seal_sha256:"
_UNSEALED = b"0" * 64
METADATA = {"agentworld_seal": (MARK + _UNSEALED).decode()}
"""Goes into the footer of a file that is to be sealed."""


def seal(file: Path) -> None:
    """Fill in the digest, and have the file on disk. Raises OSError, ValueError without room for it."""
    with file.open("r+b") as opened:
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start, digest = _place(content), _digest(content)
        opened.seek(start)
        opened.write(digest)
        opened.flush()
        os.fsync(opened.fileno())


def is_whole(file: Path) -> bool | None:
    """Whether the bytes are those that were sealed; None where there is no seal. Raises OSError."""
    with file.open("rb") as opened:
        if os.fstat(opened.fileno()).st_size == 0:
            return None
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.rfind(MARK) < 0:
                return None
            start = _place(content)
            return content[start : start + len(_UNSEALED)] == _digest(content)


def _place(content: mmap.mmap) -> int:
    """Where the digest stands: after the last mark, for earlier ones are data."""
    found = content.rfind(MARK)
    if found < 0:
        raise ValueError("no room for a seal; write the file with METADATA")
    return found + len(MARK)


def _digest(content: mmap.mmap) -> bytes:
    start = _place(content)
    digest = hashlib.sha256()
    with memoryview(content) as whole, whole[:start] as head, whole[start + len(_UNSEALED) :] as tail:
        digest.update(head)
        digest.update(tail)
    return digest.hexdigest().encode()
