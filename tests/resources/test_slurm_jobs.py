"""Stages as jobs of a real Slurm: why they ended, whether they go on, and that there is never a second or an orphan."""

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from agentworld_dag.artifacts import is_complete, read_result
from agentworld_dag.resources import slurm_client
from agentworld_dag.resources.job_folder import JobFolder
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.script import Launcher, Script
from tests.resources.launching import launched, logged, reason, toy
from tests.resources.real_slurm import (
    SEEN_WITHIN_S,
    attempts,
    is_alive,
    slurm_jobs,
    start_controller,
    state_of,
    stop_controller,
    told,
    wait_until,
)

STEP = [sys.executable, "-m", "tests.resources.slurm_step"]
BEGUN, ATTACHED = "attempt 1", "goes on with job"
pytestmark = pytest.mark.usefixtures("an_empty_queue_at_the_end")


@pytest.fixture
def an_empty_queue_at_the_end(slurm: Path) -> Iterator[None]:
    """What a test that failed has left would take the next one's place."""
    yield
    told("scancel", "--me", "--quiet")
    wait_until(lambda: not told("squeue", "--me", "--noheader"))


def job_of(tmp_path: Path) -> str | None:
    script = toy(tmp_path, "")
    return slurm_client.live_job(script.name, (tmp_path / "jobs" / script.name).resolve())


def is_back(node: str) -> bool:
    """Asks for a lost node. One that has registered itself meanwhile is back already, and Slurm refuses."""
    subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], stderr=subprocess.DEVNULL)
    return "down" not in told("sinfo", "--noheader", f"--nodes={node}", "--format=%t")


def step(tmp_path: Path, ways: str, says: str, log: str = "first.log") -> "subprocess.Popen[bytes]":
    """A step in a process of its own that has written `says` to its log."""
    path = tmp_path / log
    with path.open("wb") as file:
        started = subprocess.Popen([*STEP, str(tmp_path), ways], stderr=file)
    wait_until(lambda: says in path.read_text() or started.poll() is not None)
    assert started.poll() is None, path.read_text()
    return started


def test_a_stage_runs_to_its_end_and_its_log_is_the_step_s(tmp_path: Path) -> None:
    result, instance = launched(slurm_jobs(tmp_path), toy(tmp_path, "finish"), tmp_path)
    assert result.success
    made = read_result(toy(tmp_path, "").out)
    assert made["metrics"] == {"attempts": 1}
    assert made["cost"]["seconds"] > 0
    assert "attempt 1" in logged(result, instance)


@pytest.mark.parametrize(
    ("ways", "begins"),
    [
        ("refuse", "TrainError: found 3 actions, expected 4, drop one"),
        ("crash", "tests.resources.toy_stage failed: exit code 1, its traceback is in the step's stderr; "),
        ("no memory", "tests.resources.toy_stage out of memory: could not get 9 GiB; "),
        ("killed", "tests.resources.toy_stage lost: job"),
    ],
)
def test_why_a_stage_ended_is_told_apart(
    tmp_path: Path, ways: str, begins: str, capfd: pytest.CaptureFixture[str]
) -> None:
    result, _ = launched(slurm_jobs(tmp_path), toy(tmp_path, ways), tmp_path, resumes=0)
    assert reason(result).startswith(begins)
    assert ("ZeroDivisionError: a bug" in capfd.readouterr().err) == (ways == "crash")


def test_what_was_stopped_or_lost_goes_on_as_often_as_the_preset_says(tmp_path: Path) -> None:
    script = toy(tmp_path, "killed,stopped,finish")
    result, instance = launched(slurm_jobs(tmp_path), script, tmp_path, resumes=2)
    assert read_result(script.out)["metrics"] == {"attempts": 3}
    warned = [line for line in logged(result, instance) if "resumes in" in line]
    assert [line.split(":")[0] for line in warned] == ["lost", "pre-empted"]


@pytest.mark.skipif(not Path("/sys/fs/cgroup/memory").is_dir(), reason="infra/slurm.sh limits memory by cgroups v1")
def test_a_job_that_takes_more_memory_than_it_asked_for(tmp_path: Path) -> None:
    result, _ = launched(slurm_jobs(tmp_path), toy(tmp_path, "hoard"), tmp_path, memory_gib=1)
    assert reason(result).startswith("tests.resources.toy_stage out of memory: job ")
    assert "needed more than 1 GiB per node; " in reason(result)


def test_a_job_over_its_time_limit_is_not_begun_again(tmp_path: Path) -> None:
    jobs = slurm_jobs(tmp_path, "--time=1", "--signal=B:TERM@60")
    result, _ = launched(jobs, toy(tmp_path, "sleep"), tmp_path, time_limit_s=1)
    assert reason(result).startswith("tests.resources.toy_stage over its time limit: job ")
    assert len(attempts(toy(tmp_path, "").out)) == 1


def test_a_pre_empted_job_goes_on_when_its_place_is_free_again(tmp_path: Path) -> None:
    script = toy(tmp_path, "sleep,finish")
    urgent = ("sbatch", "--wait", "--partition=urgent", "--exclusive", "--chdir=/", "--output=/dev/null", "--wrap=true")
    with ThreadPoolExecutor() as beside:
        running = beside.submit(launched, slurm_jobs(tmp_path), script, tmp_path)
        wait_until(lambda: attempts(script.out))
        told(*urgent)
        result, instance = running.result()
    assert read_result(script.out)["metrics"] == {"attempts": 2}
    assert any(line.startswith("pre-empted: job ") for line in logged(result, instance))


def test_a_job_whose_node_is_lost_goes_on_when_there_is_one(tmp_path: Path) -> None:
    script = toy(tmp_path, "sleep,finish")
    node = told("sinfo", "--noheader", "--partition=work", "--format=%N").strip()
    with ThreadPoolExecutor() as beside:
        running = beside.submit(launched, slurm_jobs(tmp_path), script, tmp_path)
        wait_until(lambda: attempts(script.out))
        told("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        wait_until(lambda: is_back(node))
        result, instance = running.result()
    assert read_result(script.out)["metrics"] == {"attempts": 2}
    assert any(line.startswith("lost: job ") for line in logged(result, instance))


def test_a_job_that_somebody_cancels_stays_cancelled(tmp_path: Path) -> None:
    script = toy(tmp_path, "sleep,finish")
    with ThreadPoolExecutor() as beside:
        running = beside.submit(launched, slurm_jobs(tmp_path), script, tmp_path)
        wait_until(lambda: attempts(script.out))
        told("scancel", str(job_of(tmp_path)))
        result, _ = running.result()
    assert reason(result).startswith("tests.resources.toy_stage failed: somebody cancelled job ")
    assert len(attempts(script.out)) == 1


def test_what_slurm_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    result, _ = launched(slurm_jobs(tmp_path), toy(tmp_path, "finish"), tmp_path, queue="nowhere")
    assert reason(result).startswith("ClusterError: sbatch: error: ")
    assert "invalid partition" in reason(result)
    assert not list((tmp_path / "jobs").rglob("environment*"))


def test_a_step_that_is_interrupted_leaves_no_job_and_no_process_behind(tmp_path: Path) -> None:
    interrupted = step(tmp_path, "sleep", BEGUN)
    [stage] = attempts(toy(tmp_path, "").out)
    job_id = str(job_of(tmp_path))
    interrupted.send_signal(signal.SIGINT)
    interrupted.wait(SEEN_WITHIN_S)
    assert state_of(job_id) == "CANCELLED"
    assert not is_alive(stage)


def test_a_step_that_dies_is_followed_by_one_that_goes_on_with_its_job(tmp_path: Path) -> None:
    ways = f"until {tmp_path / 'go'}"
    died = step(tmp_path, ways, BEGUN)
    died.kill()
    died.wait()
    following = step(tmp_path, ways, ATTACHED, "second.log")
    (tmp_path / "go").touch()
    assert following.wait(SEEN_WITHIN_S) == 0
    assert len(attempts(toy(tmp_path, "").out)) == 1
    assert BEGUN in (tmp_path / "second.log").read_text()


def test_two_steps_for_one_artifact_share_its_job(tmp_path: Path) -> None:
    ways = f"until {tmp_path / 'go'}"
    steps = [step(tmp_path, ways, BEGUN), step(tmp_path, ways, ATTACHED, "second.log")]
    (tmp_path / "go").touch()
    assert [each.wait(SEEN_WITHIN_S) for each in steps] == [0, 0]
    assert len(attempts(toy(tmp_path, "").out)) == 1


def test_a_controller_that_is_away_for_a_while_starts_no_second_job(tmp_path: Path, slurm: Path) -> None:
    script = toy(tmp_path, f"until {tmp_path / 'go'}")
    with ThreadPoolExecutor() as beside:
        running = beside.submit(launched, slurm_jobs(tmp_path), script, tmp_path)
        wait_until(lambda: attempts(script.out))
        stop_controller(slurm)
        for _ in range(2):  # one that the step had asked before may have waited for the controller all the while
            with pytest.raises(slurm_client.Unreachable):
                job_of(tmp_path)
        (tmp_path / "go").touch()
        start_controller()
        result, instance = running.result()
    assert result.success
    assert read_result(script.out)["metrics"] == {"attempts": 1}
    assert any(line.startswith("Slurm gives no answer ") for line in logged(result, instance))


def test_a_job_that_slurm_forgot_after_its_end_is_not_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, job = toy(tmp_path, "finish"), slurm_client.job
    monkeypatch.setattr(slurm_client, "job", lambda job_id: None if is_complete(script.out) else job(job_id))
    result, instance = launched(slurm_jobs(tmp_path), script, tmp_path)
    assert result.success
    assert len([line for line in logged(result, instance) if line.startswith("submitted job ")]) == 1


def test_credentials_reach_the_stage_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTWORLD_JUDGE_API_KEY", "swordfish")
    going = step(tmp_path, f"until {tmp_path / 'go'}", BEGUN)
    [stage] = attempts(toy(tmp_path, "").out)
    shown = told("scontrol", "--details", "show", "job", str(job_of(tmp_path)))
    script = told("scontrol", "write", "batch_script", str(job_of(tmp_path)), "-")
    left = [path for path in (tmp_path / "jobs").rglob("*") if path.is_file() and b"swordfish" in path.read_bytes()]
    assert b"swordfish" in Path(f"/proc/{stage}/environ").read_bytes()
    (tmp_path / "go").touch()
    assert going.wait(SEEN_WITHIN_S) == 0
    assert "swordfish" not in shown + script
    assert not left


def test_a_job_that_is_cancelled_before_it_starts_leaves_no_credentials(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as beside:
        running = beside.submit(launched, slurm_jobs(tmp_path, "--begin=now+1hour"), toy(tmp_path, ""), tmp_path)
        wait_until(lambda: job_of(tmp_path))
        assert environments(tmp_path)
        told("scancel", str(job_of(tmp_path)))
        running.result()
    assert not environments(tmp_path)


def test_credentials_that_a_dead_step_has_left_go_when_the_next_begins(tmp_path: Path) -> None:
    JobFolder((tmp_path / "jobs" / toy(tmp_path, "").name).resolve()).begin_anew({"KEY": "swordfish"})
    [left] = environments(tmp_path)
    going = step(tmp_path, f"until {tmp_path / 'go'}", BEGUN)
    assert not left.exists()
    (tmp_path / "go").touch()
    assert going.wait(SEEN_WITHIN_S) == 0


def test_credentials_that_a_job_will_read_stay(tmp_path: Path) -> None:
    """Also when a step that watched an earlier one ends later than the next began."""
    with ThreadPoolExecutor() as beside:
        running = beside.submit(launched, slurm_jobs(tmp_path, "--begin=now+1hour"), toy(tmp_path, ""), tmp_path)
        wait_until(lambda: job_of(tmp_path))
        folder = JobFolder((tmp_path / "jobs" / toy(tmp_path, "").name).resolve())
        slurm_jobs(tmp_path)._forget(dg.build_asset_context(), toy(tmp_path, "").name, folder)
        assert environments(tmp_path)
        told("scancel", str(job_of(tmp_path)))
        running.result()


def environments(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "jobs").rglob("environment-*"))


def test_the_same_seed_makes_the_same_weights_here_and_on_slurm(tmp_path: Path, splits: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert trained(LocalJobs(tracking_uri=""), here, splits) == trained(slurm_jobs(tmp_path), there, splits)


def trained(jobs: Launcher, lake: Path, splits: Path) -> str:
    """Digest of the weights that two real stages make."""
    inputs = {"trajectory_splits": splits}
    for stage in ("base_model", "cpt"):
        out = lake / stage / "round-0001" / "0123456789ab"
        script = Script(f"agentworld_dag.training.{stage}", "round-0001", out, inputs, {}, 3, False)
        result, _ = launched(jobs, script, lake.parent)
        assert result.success
        inputs = {**inputs, stage: out}
    return hashlib.sha256((out / "checkpoint" / "model.safetensors").read_bytes()).hexdigest()
