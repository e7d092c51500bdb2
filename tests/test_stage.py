"""The stage runner, with a toy stage script in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from agentworld_dag.config import load_preset
from agentworld_dag.cost import Meter
from agentworld_dag.exit_codes import OUT_OF_MEMORY, RESUME_ME
from agentworld_dag.home import PRESETS

TOY = """
import errno, os, shutil, signal, time
from pathlib import Path
from agentworld_dag.errors import ServerMemoryError, TrainError
from agentworld_dag.stage import UNDER_WAY, Stage, run_stage

def kill_before(owner, name, last=""):
    called = getattr(owner, name)
    def wrapped(*given, **named):
        if Path(given[-1]).name == last or not last:
            os.kill(os.getpid(), signal.SIGKILL)
        return called(*given, **named)
    setattr(owner, name, wrapped)

def note_syncs(out):
    called = os.fsync
    def noted(descriptor):
        place = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        with (out.parent / "synced").open("a") as file:
            print(place.relative_to(out), (out / "unrecorded.json").exists(), file=file)
        called(descriptor)
    os.fsync = noted

def work(stage: Stage):
    with (stage.out / "worked").open("a") as file:
        file.write("x")
    for step in range(3):
        stage.log_metrics({"loss": 1 / (step + 1)}, step)
    mode = stage.options.get("mode")
    stage.meter.count_tokens(100)
    stage.meter.count_calls(2_000_000, 1_000_000)
    if mode == "busy":
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
    if mode == "refuse":
        raise TrainError("found 3 actions, expected 4, drop one")
    if mode == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if mode == "sleep":
        time.sleep(60)
    if mode == "torch":
        import torch
        torch.empty(1 << 60, dtype=torch.uint8)
    if mode == "server":
        raise ServerMemoryError("the vLLM server ran out of memory")
    if mode == "train":
        checkpoint = stage.out / UNDER_WAY / "checkpoint-3"
        resumed = checkpoint.is_dir()
        checkpoint.mkdir(parents=True, exist_ok=True)
        (stage.out / "checkpoint").mkdir(exist_ok=True)
        (stage.out / "checkpoint" / "weights").write_text("final")
        note_syncs(stage.out)
        kill_at = stage.options.get("kill_at")
        if kill_at == "working" and not resumed:
            os.kill(os.getpid(), signal.SIGKILL)
        if kill_at == "dropping":
            kill_before(shutil, "rmtree")
        if kill_at == "recording":
            kill_before(Path, "replace", "result.json")
        return {"resumed": resumed}
    if mode == "lose_mlflow":
        Path(os.environ["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///")).write_bytes(b"gone" * 4096)
    threads = int(os.environ["OMP_NUM_THREADS"])
    return {"score": {"value": 0.5, "low": 0.4, "high": 0.6}, "curve@0.5": [1, 2, 3], "threads": threads}

if __name__ == "__main__":
    run_stage(work)
"""


@pytest.fixture
def toy(tmp_path: Path):
    script = tmp_path / "toy.py"
    script.write_text(TOY)

    def command(*more: str, seed: int = 3) -> list[str]:
        preset = str(PRESETS / "tiny.yaml")
        out = str(tmp_path / "out")
        return [sys.executable, str(script), "--config", preset, "--seed", str(seed), "--out", out, *more]

    return command


def start(command: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    base = {key: value for key, value in os.environ.items() if key not in ("MLFLOW_TRACKING_URI", "OMP_NUM_THREADS")}
    return subprocess.run(command, env=base | environment, capture_output=True, text=True, check=False, timeout=60)


def test_result_holds_metrics_timing_and_inputs(toy, tmp_path):
    done = start(toy("--input", f"upstream={tmp_path}", "--option", "arm=real"))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["metrics"]["score"]["value"] == 0.5
    assert result["metrics"]["threads"] == 1
    assert result["inputs"] == {"upstream": str(tmp_path)}
    assert result["seed"] == 3
    timing = result["timing"]
    assert timing["process_started_at"] < timing["work_started_at"] <= timing["finished_at"]
    assert time.time() - timing["process_started_at"] < 60


def test_a_stage_tells_what_it_used_and_what_that_costs(toy, tmp_path):
    assert start(toy("--option", "mode=busy")).returncode == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    cost, prices = result["cost"], load_preset(PRESETS / "tiny.yaml").prices
    assert cost["tokens"] == 3_000_100
    assert cost["cpu_core_s"] > 0.2
    assert cost["seconds"] >= result["timing"]["finished_at"] - result["timing"]["work_started_at"]
    assert cost["gpu_s"] == 0  # no torch was loaded
    calls = 2 * prices.million_prompt_tokens + prices.million_completion_tokens
    assert cost["money"] == pytest.approx(calls + cost["cpu_core_s"] / 3600 * prices.cpu_core_hour)
    assert cost["currency"] == prices.currency


def test_a_resumed_stage_adds_what_failed_attempts_used(toy, tmp_path):
    for _ in range(2):
        assert start(toy("--option", "mode=refuse")).returncode == 1
    with (tmp_path / "out" / "cost.jsonl").open("a") as file:
        file.write('{"seconds": 1')  # torn by a kill
    assert start(toy()).returncode == 0
    cost = json.loads((tmp_path / "out" / "result.json").read_text())["cost"]
    assert cost["tokens"] == 3 * 3_000_100
    lines = [json.loads(line) for line in (tmp_path / "out" / "cost.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    assert cost["seconds"] == pytest.approx(sum(line["seconds"] for line in lines))
    assert asdict(Meter(tmp_path / "out").total()) == {name: cost[name] for name in lines[0]}


def test_complete_folder_is_not_worked_on_again(toy, tmp_path):
    start(toy())
    assert start(toy()).returncode == 0
    assert (tmp_path / "out" / "worked").read_text() == "x"


def test_error_is_one_line_and_leaves_no_result(toy, tmp_path):
    failed = start(toy("--option", "mode=refuse"))
    assert failed.returncode == 1
    assert failed.stderr == "TrainError: found 3 actions, expected 4, drop one\n"
    assert not (tmp_path / "out" / "result.json").exists()
    assert start(toy()).returncode == 0


def test_full_disk_is_named(toy):
    failed = start(toy("--option", "mode=full"))
    assert failed.returncode == 1
    assert failed.stderr.startswith("StoreError: no space left on the disk")
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("moment", ["working", "dropping", "recording"])
def test_checkpoints_are_kept_until_the_work_is_done_and_gone_with_the_result(toy, tmp_path, moment):
    out, training = tmp_path / "out", toy("--option", "mode=train", "--option", f"kill_at={moment}")
    assert start(training).returncode == -signal.SIGKILL
    assert not (out / "result.json").exists()
    assert (out / "trainer" / "checkpoint-3").is_dir() or moment == "recording"
    assert start(toy("--option", "mode=train")).returncode == 0
    assert json.loads((out / "result.json").read_text())["metrics"] == {"resumed": moment == "working"}
    assert (out / "worked").read_text() == ("xx" if moment == "working" else "x")
    assert not (out / "trainer").exists()


def test_what_a_stage_wrote_is_on_the_disk_before_its_result_is(toy, tmp_path):
    assert start(toy("--option", "mode=train")).returncode == 0
    synced = (tmp_path / "synced").read_text().splitlines()
    first = next(n for n, line in enumerate(synced) if line.startswith(".unrecorded.json"))
    assert {"checkpoint/weights False", "checkpoint False", "metrics.jsonl False", ". False"} <= set(synced[:first])
    assert ". True" in synced[first:]
    assert not any(line.startswith("trainer") for line in synced)


@pytest.mark.parametrize(("who", "told"), [("torch", "DefaultCPUAllocator"), ("server", "ServerMemoryError: the vLLM")])
def test_who_finds_no_memory_is_out_of_memory(toy, who, told):
    failed = start(toy("--option", f"mode={who}"))
    assert failed.returncode == OUT_OF_MEMORY
    assert told in failed.stderr
    assert "Traceback" not in failed.stderr


def test_unknown_preset_and_malformed_input(toy, tmp_path):
    command = toy()
    command[command.index("--config") + 1] = str(PRESETS / "nix.yaml")
    assert "ConfigError: no preset at" in start(command).stderr
    assert "ConfigError: seed -1: expected a whole number" in start(toy(seed=-1)).stderr
    assert "is not NAME=VALUE" in start(toy("--input", "nonsense")).stderr


def test_second_process_is_refused_until_the_first_is_dead(toy, tmp_path):
    first = subprocess.Popen(toy("--option", "mode=sleep"), stderr=subprocess.DEVNULL)
    try:
        wait_for(tmp_path / "out" / "worked")
        assert "StoreError: another process is making" in start(toy()).stderr
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert start(toy()).returncode == 0


def test_a_stage_that_is_asked_to_stop_ends_at_once_and_is_finished_by_the_next(toy, tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    asked = subprocess.Popen(
        toy("--option", "mode=sleep"), env=os.environ | {"MLFLOW_TRACKING_URI": uri}, stderr=subprocess.PIPE, text=True
    )
    wait_for(tmp_path / "out" / "worked")
    asked.terminate()
    _, told = asked.communicate(timeout=30)
    assert asked.returncode == RESUME_ME
    assert told.splitlines()[-1] == "asked to stop"
    assert one_run(MlflowClient(uri)).info.status == "KILLED"
    assert start(toy(), MLFLOW_TRACKING_URI=uri).returncode == 0
    assert one_run(MlflowClient(uri)).info.status == "FINISHED"


def test_stage_whose_launcher_died_meanwhile_does_not_begin(toy, tmp_path):
    pipes = {"DAGSTER_PIPES_CONTEXT": "unreadable"}
    assert start(toy(), AGENTWORLD_PARENT_PID="1", **pipes).returncode == -signal.SIGKILL
    assert start(toy(), AGENTWORLD_PARENT_PID=str(os.getpid()), **pipes).returncode > 0
    assert not (tmp_path / "out" / "worked").exists()


def test_torn_last_metric_of_a_killed_stage_is_dropped(toy, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.jsonl").write_text('{"step": 0, "at": 1.0, "metrics": {"loss": 9.0}}\n{"step": 1, "at"')
    assert start(toy()).returncode == 0
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 0, 1, 2]


def test_mlflow_run_has_params_metrics_tags_and_status(toy, tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"
    (tmp_path / "mlflow").mkdir()
    start(toy("--option", "mode=refuse"), MLFLOW_TRACKING_URI=uri)
    client = MlflowClient(uri)
    assert one_run(client).info.status == "FAILED"
    assert start(toy(), MLFLOW_TRACKING_URI=uri).returncode == 0
    run = one_run(client)
    assert run.info.status == "FINISHED"
    assert run.data.params["seed"] == "3"
    assert run.data.params["model/layers"]
    assert run.data.tags["agentworld/fingerprint"] == "out"
    assert run.data.metrics["result/score/value"] == 0.5
    assert [point.value for point in client.get_metric_history(run.info.run_id, "result/curve_0.5")] == [1, 2, 3]
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 6
    assert "result.json" in {file.path for file in client.list_artifacts(run.info.run_id)}


def test_unreachable_mlflow_is_found_before_any_work(toy, tmp_path):
    started = time.monotonic()
    failed = start(toy(), MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert time.monotonic() - started < 30
    assert failed.returncode == 1
    assert "RegistryError: MLflow at http://127.0.0.1:9 failed" in failed.stderr
    assert not (tmp_path / "out" / "worked").exists()


def test_mlflow_lost_midway_costs_no_work(toy, tmp_path):
    database = tmp_path / "mlflow.db"
    uri = f"sqlite:///{database}"
    failed = start(toy("--option", "mode=lose_mlflow"), MLFLOW_TRACKING_URI=uri)
    assert failed.returncode == 1
    assert f"RegistryError: MLflow at {uri} failed" in failed.stderr.splitlines()[-1]
    assert not (tmp_path / "out" / "result.json").exists()
    database.unlink()
    again = start(toy("--option", "mode=lose_mlflow"), MLFLOW_TRACKING_URI=uri)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "out" / "worked").read_text() == "x"
    run = one_run(MlflowClient(uri))
    assert run.info.status == "FINISHED"
    assert run.data.metrics["loss"] == pytest.approx(1 / 3)


def one_run(client: MlflowClient):
    experiment = client.get_experiment_by_name("agentworld/by-hand")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1
    return runs[0]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)
