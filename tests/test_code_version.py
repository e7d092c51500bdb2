"""Which source a stage's version stands for."""

import pytest

from agentworld_dag import code_version as subject
from agentworld_dag.errors import ConfigError

FILES = {
    "__init__.py": "",
    "stage.py": "ATTEMPTS = 1\n",
    "script.py": "from agentworld_dag.parts import screw\nfrom agentworld_dag.stage import ATTEMPTS\n",
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
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
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


@pytest.mark.parametrize(
    "module",
    [
        *("stage", "artifacts", "tracking", "errors", "code_version"),
        *("config", "settings", "agents.settings", "benchmark.settings"),
        *("monitoring.settings", "scale.settings", "training.settings"),
    ],
)
def test_how_a_stage_is_run_and_the_types_of_its_settings_do_not_count(version, module):
    key = module.replace(".", "__")
    script = FILES["script.py"] + f"import agentworld_dag.{module}\n"
    original = version(script=script, **{key: "from agentworld_dag.stranger import os\n"})
    assert version(script=script, **{key: "from agentworld_dag.bolt import SIZE\nSIZES = SIZE + 1\n"}) == original


@pytest.mark.parametrize("module", sorted(subject.UNVERSIONED))
def test_what_does_not_count_exists(module):
    assert subject._file(module)


def test_edited_docstrings_do_not_count(version):
    plain = "SIZE = 3\nclass Bolt:\n    head = 1\n    async def turn(self):\n        return 1\n"
    original = version(bolt=plain)
    for said in ("A bolt.", "A bolt,\nof steel."):
        assert version(bolt=documented(said)) == original


def documented(said: str) -> str:
    """A module with this string wherever a docstring may stand: module, class, function and attributes of both."""
    text = f'"""{said}"""'
    return (
        f"{text}\nSIZE = 3\n{text}\nclass Bolt:\n    {text}\n    head = 1\n    {text}\n"
        f"    async def turn(self):\n        {text}\n        return 1\n"
    )


@pytest.mark.parametrize(
    "code",
    [
        "SIZE = '{}'\n",
        "print('{}')\n",
        "def size():\n    return '{}'\n",
        "def size(of='{}'): ...\n",
        "f'{{print}}{}'\n",
    ],
)
def test_an_edited_string_that_code_uses_counts(version, code):
    assert version(bolt=code.format("large")) != version(bolt=code.format("small"))


def test_unknown_module_is_refused():
    with pytest.raises(ConfigError, match=r"agentworld_dag\.nowhere has no source file"):
        subject.code_version("agentworld_dag.nowhere")
