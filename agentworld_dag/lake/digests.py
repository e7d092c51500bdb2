"""Digests of files: SHA-256, which a manifest records, and the ETag that an S3 server gives the same bytes."""

import hashlib
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1 << 20


def sha256_of(source: Path | Any) -> str:
    """Hex digest of a file, or of what is left of an open one."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.file_digest(source, "sha256").hexdigest()


def etag_of(path: Path, part_bytes: int) -> tuple[str, str]:
    """ETag and SHA-256, in one reading. A file of two parts or more has the MD5 of its parts' MD5s for an ETag."""
    whole, parts = hashlib.sha256(), []
    size = path.stat().st_size
    sent = part_bytes if size >= 2 * part_bytes else max(size, 1)  # s3fs sends a smaller file in one piece
    with path.open("rb") as file:
        for _ in range(0, max(size, 1), sent):
            part, left = hashlib.md5(usedforsecurity=False), sent
            while chunk := file.read(min(CHUNK_BYTES, left)):
                left -= len(chunk)
                part.update(chunk)
                whole.update(chunk)
            parts.append(part)
    if len(parts) == 1:
        return parts[0].hexdigest(), whole.hexdigest()
    together = hashlib.md5(b"".join(part.digest() for part in parts), usedforsecurity=False)
    return f"{together.hexdigest()}-{len(parts)}", whole.hexdigest()
