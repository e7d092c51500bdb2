"""Bad input of the drill; the drill itself is rehearsed in tests/test_loop.py."""

import re
from pathlib import Path

import pytest

from agentworld_dag import cli
from agentworld_dag.environments import images


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENTWORLD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--image", "shouting"], "ConfigError: .*shouting.*talkative"),
        (["--preset", "nix"], "ConfigError: no preset at .*nix"),
        ([], "RunError: .* holds no finished round; run `make run` first"),
    ],
)
def test_what_cannot_be_rehearsed_is_one_clear_error(
    home: Path, caplog: pytest.LogCaptureFixture, arguments: list[str], expected: str
) -> None:
    assert cli.main(["drill", *arguments]) == 1
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert re.match(expected, errors[0].getMessage()), errors[0].getMessage()
    assert not (home / "drill").exists()


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("AGENTWORLD_DATABASE", "postgresql+psycopg2://nobody@127.0.0.1:1/record"),
        ("MLFLOW_TRACKING_URI", "http://127.0.0.1:1"),
    ],
)
def test_a_record_that_is_not_copied_is_not_rehearsed_on(
    home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, variable: str, place: str
) -> None:
    monkeypatch.setenv(variable, place)
    assert cli.main(["drill"]) == 1
    assert f"ConfigError: {variable} is set" in caplog.text
    assert not home.exists()


def test_a_change_to_the_image_that_is_installed_is_none(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    images.install("talkative", home / "terminal-image")
    assert cli.main(["drill"]) == 1
    assert "ConfigError: talkative is the image of" in caplog.text
