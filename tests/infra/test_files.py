"""All files of infra together: they can be read, name only what the package reads, and hold no secret."""

import re
from pathlib import Path

import pytest

from tests.infra.files import INFRA, ROOT, documents

VARIABLE = re.compile(r"\bAGENTWORLD_[A-Z_]*[A-Z]\b")
KNOWN_KEYS = re.compile(r"AKIA[0-9A-Z]{16}|hf_[A-Za-z0-9]{30}|sk-[A-Za-z0-9]{20}|-----BEGIN|://[^/\s:@]+:[^/\s@{$]+@")
"""Keys of clouds and hubs by their shape, private keys, and passwords in URLs."""


def tracked() -> list[Path]:
    return [path for path in INFRA.rglob("*") if path.is_file() and path.name != ".env" and path.suffix != ".pyc"]


def read_by_the_package() -> set[str]:
    """Whole strings of its code; docstrings mention variables without quotes."""
    code = "".join(path.read_text() for path in (ROOT / "agentworld_dag").rglob("*.py"))
    return set(re.findall(r'"(AGENTWORLD_[A-Z_]+)"', code))


@pytest.mark.parametrize("path", sorted(INFRA.rglob("*.y*ml")), ids=lambda path: path.name)
def test_every_yaml_file_can_be_read(path: Path) -> None:
    assert all(isinstance(each, dict) for each in documents(path))


def test_every_variable_is_one_that_the_package_reads() -> None:
    known = read_by_the_package()
    assert {"AGENTWORLD_HOME", "AGENTWORLD_KUBERNETES"} <= known
    named = {name: path.name for path in tracked() for name in VARIABLE.findall(path.read_text())}
    assert {name: path for name, path in named.items() if name not in known} == {}


def test_no_file_holds_a_secret() -> None:
    found = [f"{path.name}: {match}" for path in tracked() for match in KNOWN_KEYS.findall(path.read_text())]
    assert found == []


def test_what_a_secret_looks_like_is_known() -> None:
    assert KNOWN_KEYS.search("postgresql://agentworld:hush@postgres/dagster")
    assert not KNOWN_KEYS.search("postgresql+psycopg2://agentworld@postgres/dagster on http://127.0.0.1:3000")
