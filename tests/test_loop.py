"""The whole loop for real, end to end, on a preset that learns just enough to pass the gates."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.preset_file import TRAINABLE, write_preset

PATIENCE_S = 1800
"""Of whole turns, beside other tests on a machine that may be three times slower than another."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(PATIENCE_S + 200)]

CLI = (sys.executable, "-m", "agentworld_dag.cli")
REPORT_KEYS = {"seconds", "fidelity", "drift", "agent", "transfer", "real_steps", "claims"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loop")
    write_preset(folder / "preset.yaml", **TRAINABLE)
    return folder


def start(place: Path, log: str, command: str = "run --seed 5") -> "subprocess.Popen[bytes]":
    environment = os.environ | {"AGENTWORLD_HOME": str(place / "home")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (place / log).open("wb") as file:
        preset = ["--preset", str(place / "preset.yaml")]
        return subprocess.Popen(
            [*CLI, *command.split(), *preset], env=environment, stdout=file, stderr=subprocess.STDOUT
        )


def processes_of(place: Path, home: str = "home") -> list[str]:
    """Command lines of everything that runs on behalf of this home."""
    mark = f"AGENTWORLD_HOME={place / home}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended meanwhile
    return found


def wait_until(what: str, happened, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"not seen within {timeout_s} s: {what}"
        time.sleep(0.1)


def test_killed_run_leaves_no_process_and_no_half_result(place):
    run = start(place, "killed.log")
    trained = lambda: list((place / "home" / "lake" / "world_model_cpt").rglob("trainer/checkpoint-*/COMPLETE"))  # noqa: E731
    wait_until("a whole checkpoint of world_model_cpt", lambda: trained() or run.poll() is not None, PATIENCE_S)
    assert run.poll() is None, (place / "killed.log").read_text()[-3000:]
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_until("the end of every process", lambda: not processes_of(place), 20)
    assert not list((place / "home" / "lake" / "world_model_cpt").rglob("result.json"))


def test_next_run_reuses_resumes_and_finishes(place):
    run = start(place, "second.log")
    assert run.wait(timeout=PATIENCE_S) == 0, (place / "second.log").read_text()[-3000:]
    told = (place / "second.log").read_text()
    assert "raw_trajectories: reused" in told
    made, reused = (re.findall(rf"{what}: (.*)", told)[-1].split(", ") for what in ("made now", " reused"))
    assert {"raw_trajectories", "trajectory_splits"} <= set(reused)
    assert {"world_model_cpt", "round_report"} <= set(made)
    assert len(made) + len(reused) == 32 and not set(made) & set(reused)
    assert re.search(r"world_model_cpt: resumed from step \d+", told)
    assert re.search(r"\d+ s with a stage at work, \d+ s \(\d+ %\) orchestration and process start-up", told)
    report = json.loads((place / "home" / "reports" / "round-0001" / "report.json").read_text())
    assert set(report) >= REPORT_KEYS
    assert {claim["holds"] for claim in report["claims"]} <= {"yes", "no", "undecided"}
    for suffix in ("md", "html"):
        assert (place / "home" / "reports" / "round-0001" / "seed-5" / f"report.{suffix}").is_file()


def test_models_and_measurements_are_in_mlflow_and_the_models_are_registered(place):
    client = MlflowClient(f"sqlite:///{place / 'home' / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("agentworld/round-0001")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id], max_results=100)}
    assert len(runs) == 20
    files = {artifact.path for artifact in client.list_artifacts(runs["leaderboard"].info.run_id)}
    assert {"leaderboard.md", "leaderboard.png"} <= files
    assert {"world_model_sft", "agent_base", "real_env_evaluation"} <= set(runs)
    assert "raw_trajectories" not in runs
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    trained = runs["world_model_cpt"]
    assert trained.data.tags["dagster/asset_key"] == "world_model_cpt"
    assert trained.data.tags["dagster/run_id"]
    for model, asset in (("world-model", "world_model_rl"), ("agent-policy", "agent_sim_rl")):
        assert client.get_model_version_by_alias(model, "candidate").tags["dagster/asset_key"] == asset


SEEN = (
    "seen: a first champion",
    "seen: 1 quiet probes",
    "changes: talkative",
    "seen: a retraining, started by the sensor",
    "killed (SIGKILL) after",
    "seen: a candidate of round-0002",
    "seen: version 6 as champion",
    "seen: the agent's training",
    "seen: a probe of the new champion",
    "one retraining, one candidate",
    "the drill passed",
)


def test_a_changed_environment_is_noticed_and_followed_by_the_running_deployment(place):
    before = sorted(path.name for path in (place / "home" / "lake").iterdir())
    run = start(place, "drill.log", f"drill --image talkative --quiet-probes 1 --kill-daemon --deadline-s {PATIENCE_S}")
    ended = run.wait(timeout=PATIENCE_S + 100)
    told = (place / "drill.log").read_text()
    assert ended == 0, told[-3000:]
    places = [told.find(what) for what in SEEN]
    assert -1 not in places, SEEN[places.index(-1)]
    assert places == sorted(places)
    assert not processes_of(place, "home/drill")
    assert sorted(path.name for path in (place / "home" / "lake").iterdir()) == before
    assert not (place / "home" / "terminal-image").exists()
