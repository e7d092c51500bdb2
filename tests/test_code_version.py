"""Which source a stage's version stands for."""

import pytest

from agentworld_dag import code_version as subject
from agentworld_dag.errors import ConfigError

FILES = {
    "__init__.py": "",
    "stage.py": "RUNNER = 1\n",
    "script.py": "from agentworld_dag.parts import screw\nfrom agentworld_dag.stage import RUNNER\n",
    "parts/__init__.py": "",
    "parts/screw.py": "def turn():\n    from agentworld_dag.bolt import SIZE\n    return SIZE\n",
    "bolt.py": "SIZE = 3\n",
    "stranger.py": "import os\n",
}


@pytest.fixture
def version(tmp_path, monkeypatch):
    """The version of `agentworld_dag.script` in a made-up package, after edits."""
    monkeypatch.setattr(subject, "ROOT", tmp_path)

    def of(**edits: str) -> str:
        for name, text in (FILES | {f"{key.replace('__', '/')}.py": value for key, value in edits.items()}).items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        for cached in (subject.code_version, subject._imports, subject._shape, subject._tree):
            cached.cache_clear()
        return subject.code_version("agentworld_dag.script")

    yield of
    for cached in (subject.code_version, subject._imports, subject._shape, subject._tree):
        cached.cache_clear()


def test_follows_imports_however_deep(version):
    version()
    assert subject.reachable("agentworld_dag.script") == {
        "agentworld_dag.script",
        "agentworld_dag.parts.screw",
        "agentworld_dag.bolt",
    }


def test_changes_with_what_is_reached_and_with_nothing_else(version):
    original = version()
    assert version(bolt="SIZE = 4\n") != original
    assert version(parts__screw=FILES["parts/screw.py"].replace("return SIZE", "return SIZE + 1")) != original
    assert version(bolt="SIZE = 3  # inches\n\n") == original
    assert version(stranger="import sys\n") == original
    assert version(stage="RUNNER = 2\n") == original


def test_unknown_module_is_refused():
    with pytest.raises(ConfigError, match=r"agentworld_dag\.nowhere has no source file"):
        subject.code_version("agentworld_dag.nowhere")
