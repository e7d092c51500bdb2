"""What holds for all tests: signals as a terminal has them, and the longest file first."""

import signal

import pytest

# What is started in the background ignores SIGINT, and Dagster then has its process, and all that it starts, ignore
# SIGTERM too. A test would wait for ever for a process that it has asked to end.
signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = "tests/test_loop.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
