"""The order of the tests: with several processes, the longest file begins first."""

import pytest

LONGEST = "tests/test_loop.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
