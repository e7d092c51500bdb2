"""Stages in processes of their own, on machines that share nothing but the remote."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentworld_dag.artifacts import is_complete, read_result
from agentworld_dag.home import PRESETS
from tests.lake.bucket import ASSET, KEY, SECRET, files, make_artifact
from tests.lake.proxy import Fault, Proxy

STAGE = """
from agentworld_dag.stage import Stage, run_stage

def work(stage: Stage):
    (stage.out / "made").write_text("by " + stage.options["by"])
    return {"read": {name: (folder / "result.json").is_file() for name, folder in stage.inputs.items()}}

if __name__ == "__main__":
    run_stage(work)
"""
OUT = "world_model_sft/round-0001/fedcba987654"


def run(tmp_path: Path, machine: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    script, home = tmp_path / "toy.py", tmp_path / machine
    script.write_text(STAGE)
    command = [sys.executable, str(script), "--config", str(PRESETS / "tiny.yaml"), "--option", f"by={machine}"]
    command += ["--out", str(home / "lake" / OUT), "--input", f"world_model_cpt={home / 'lake' / ASSET}"]
    given = os.environ | {"AGENTWORLD_HOME": str(home)} | environment
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)


def test_inputs_are_pulled_and_the_output_is_published(url: str, tmp_path: Path) -> None:
    assert run(tmp_path, "a").returncode == 0
    make_artifact(tmp_path / "b")
    assert run(tmp_path, "b").returncode == 0
    first, second, third = (tmp_path / name / "lake" / OUT for name in ("a", "b", "c"))
    assert read_result(first)["metrics"] == {"read": {"world_model_cpt": False}}
    done = run(tmp_path, "c")
    assert done.returncode == 0, done.stderr
    assert "is complete, nothing to do" in done.stderr
    assert files(third) == files(first) == files(second)


def test_a_missing_input_comes_from_the_machine_that_made_it(url: str, tmp_path: Path) -> None:
    from agentworld_dag.lake.remote import connected
    from agentworld_dag.lake.shared import SharedLake

    made = make_artifact(tmp_path / "a")
    SharedLake(tmp_path / "a" / "lake", connected(url)).publish(made)
    done = run(tmp_path, "b")
    assert done.returncode == 0, done.stderr
    assert f"published: {url}/{OUT}" in done.stderr
    assert read_result(tmp_path / "b" / "lake" / OUT)["metrics"] == {"read": {"world_model_cpt": True}}
    assert files(tmp_path / "b" / "lake" / ASSET) == files(made)


def test_a_stage_that_could_not_publish_has_its_work_and_publishes_it_next_time(
    url: str, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.befalls = lambda request: Fault(status=503 if request.method == "PUT" else 0)
    failed = run(tmp_path, "a")
    assert failed.returncode == 1
    assert f"StoreError: {url} did not do what was asked (503), after repeated attempts; run again\n" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert is_complete(tmp_path / "a" / "lake" / OUT)
    proxy.befalls = lambda request: Fault()
    again = run(tmp_path, "a")
    assert again.returncode == 0
    assert f"published: {url}/{OUT}" in again.stderr


def test_without_the_variable_nothing_is_asked_of_anyone(url: str, proxy: Proxy, tmp_path: Path) -> None:
    assert run(tmp_path, "a", AGENTWORLD_LAKE="").returncode == 0
    assert not proxy.requests


@pytest.mark.parametrize("status", [403, 500])
def test_no_key_is_printed_or_written_by_a_stage_that_fails(
    url: str, proxy: Proxy, tmp_path: Path, status: int
) -> None:
    quoting = b"<Error><Code>SignatureDoesNotMatch</Code><Message>%b %b</Message></Error>"
    body = quoting % (KEY.encode(), SECRET.encode())
    proxy.befalls = lambda request: Fault(status=status if request.method == "PUT" else 0, body=body)
    failed = run(tmp_path, "a")
    assert failed.returncode == 1
    written = b"".join(files(tmp_path / "a").values()).decode()
    for told in (failed.stdout, failed.stderr, written):
        assert KEY not in told
        assert SECRET not in told
