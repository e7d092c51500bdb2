"""Bad input at the command line: exit code 1, one line, no traceback, nothing computed."""

import fcntl
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from agentworld_dag import cli
from agentworld_dag.environments import sandbox
from agentworld_dag.errors import SandboxError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENTWORLD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "home"


def complaint(caplog: pytest.LogCaptureFixture, *arguments: str) -> str:
    assert cli.main(["run", *arguments]) == 1
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "\n" not in errors[0].getMessage().strip()
    return errors[0].getMessage()


def test_unknown_preset(home, caplog):
    assert complaint(caplog, "--preset", "nix").startswith("ConfigError: no preset at")
    assert not home.exists()


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
def test_a_seed_no_generator_takes(home, caplog, seed):
    expected = f"ConfigError: seed {seed}: expected a whole number from 0 to 4294967295"
    assert complaint(caplog, "--seed", seed) == expected
    assert not home.exists()


def test_invalid_preset_names_the_field(home, caplog, tmp_path):
    text = (cli.preflight.preset_path("tiny")).read_text()
    (tmp_path / "bad.yaml").write_text(text.replace("\nthreads: 1", "\nthreads: 0"))
    assert cli.main(["run", "--preset", str(tmp_path / "bad.yaml")]) == 1
    assert "threads" in caplog.text


@pytest.mark.parametrize("command", ["study", "sizes"])
def test_no_seeds(home, capsys, command):
    with pytest.raises(SystemExit):
        cli.main([command, "--seeds", "0"])
    assert "--seeds: 0: expected a number from 1 on" in capsys.readouterr().err


def test_a_study_of_one_seed(home, caplog):
    assert cli.main(["study", "--seeds", "1"]) == 1
    assert "ConfigError: a study of 1 seed says nothing about seeds: expected two or more (SEEDS=2)" in caplog.text


def test_no_sandbox(home, caplog, monkeypatch):
    def refuse() -> str:
        raise SandboxError("no isolation: bwrap is not installed, landlock is not in this kernel; install bubblewrap")

    monkeypatch.setattr(sandbox, "pick_backend", refuse)
    assert "install bubblewrap" in complaint(caplog)


def test_too_little_disk(home, caplog, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 9, 1 << 20))
    assert complaint(caplog).startswith("StoreError: 1 MiB free on the disk that holds")


def test_home_that_cannot_be_made(caplog, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AGENTWORLD_HOME", str(tmp_path / "file" / "home"))
    assert complaint(caplog).startswith("StoreError: cannot make")


def test_unreachable_mlflow(home, caplog, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert complaint(caplog).startswith("RegistryError: MLflow at http://127.0.0.1:9 failed")


def test_two_runs_in_one_home(home, caplog):
    home.mkdir()
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert complaint(caplog).startswith("StoreError: another run is using")


def test_image_installs_and_tells(home, capsys):
    assert cli.main(["image"]) == 0
    assert capsys.readouterr().out.startswith("installed: plain\nknown: plain, talkative, ")
    assert cli.main(["image", "talkative"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert cli.main(["image"]) == 0
    assert capsys.readouterr().out.startswith("installed: talkative\n")
    assert (home / "terminal-image").read_text() == "talkative\n"


def test_image_refuses_a_bad_name(home, caplog):
    assert cli.main(["image", "loud"]) == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "ConfigError: unknown shell image 'loud', expected one of plain" in caplog.text
    assert not home.exists()


def test_help_is_quick_and_light():
    code = "import sys; from agentworld_dag.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "sys.stderr.write(str([m for m in ('torch', 'mlflow', 'polars') if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "study" in done.stdout
    assert done.stderr.endswith("[]")
