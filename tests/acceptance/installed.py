"""Which servers are installed on this machine."""

import shutil
from pathlib import Path


def ceph_is_here() -> bool:
    return shutil.which("radosgw") is not None


def postgres_is_here() -> bool:
    """Debian keeps it off the PATH."""
    return shutil.which("initdb") is not None or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
