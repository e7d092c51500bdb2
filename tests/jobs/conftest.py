import subprocess
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture
def ended_pid() -> Iterator[int]:
    """Of a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        yield process.pid
