"""Tests on a real Ray of one node; test_ray_jobs.py runs them in a network namespace of their own, pytest does not."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ray.job_submission import JobStatus, JobSubmissionClient  # pyright: ignore[reportMissingImports]

from agentworld_dag.artifacts import read_result
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.ray_jobs import RayJobs
from tests.resources import outliving
from tests.resources.breakable import Breakable
from tests.resources.launching import launched, logged, reason, toy, trained
from tests.small_loop import splits  # noqa: F401
from tests.whole_loop import assert_same_weights, stages_of, turned

DASHBOARD = 8265
HEAD = ["--head", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", f"--dashboard-port={DASHBOARD}"]
SIZE = ["--num-cpus=4", f"--memory={8 * 2**30}", f"--object-store-memory={100 * 2**20}"]
TOKENLESS = """
import sys
from pathlib import Path
from agentworld_dag.resources.ray_jobs import RayJobs
from tests.resources.launching import launched, reason, toy

folder = Path(sys.argv[1])
result, _ = launched(RayJobs(tracking_uri="", python=sys.argv[2]), toy(folder, "finish"), folder)
sys.stdout.write(reason(result))
"""


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """Ends with the namespace, whose processes the kernel kills."""
    ray = Path(sys.executable).with_name("ray")
    subprocess.run([ray, "start", *HEAD, *SIZE, "--disable-usage-stats"], check=True)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Breakable:
    connection = Breakable(DASHBOARD)
    monkeypatch.setenv("RAY_ADDRESS", f"http://127.0.0.1:{connection.port}")
    return connection


@pytest.fixture
def jobs(connection: Breakable) -> RayJobs:
    return RayJobs(tracking_uri="", python=sys.executable, patience_s=60)


@pytest.fixture
def client(jobs: RayJobs) -> JobSubmissionClient:
    return JobSubmissionClient()


def test_a_job_runs_to_its_end_and_its_log_is_the_step_s(
    jobs: RayJobs, client: JobSubmissionClient, tmp_path: Path
) -> None:
    result, instance = launched(jobs, toy(tmp_path, "finish"), tmp_path, cpus=3, memory_gib=1.5)
    assert result.success
    assert read_result(toy(tmp_path, "").out)["metrics"] == {"attempts": 1}
    assert "attempt 1" in logged(result, instance)
    [job] = [job for job in client.list_jobs() if (job.metadata or {}).get("dagster/run_id") == result.run_id]
    assert (job.submission_id or "").startswith("toy-0123456789ab-")


@pytest.mark.parametrize(
    ("ways", "told"),
    [
        ("refuse", "TrainError: found 3 actions, expected 4, drop one"),
        ("crash", "tests.resources.toy_stage failed: exit code 1, its traceback is in the step's stderr; "),
        ("no memory", "tests.resources.toy_stage out of memory: could not get 9 GiB; "),
        ("killed", "tests.resources.toy_stage lost: killed by SIGKILL, by hand or for want of memory; "),
    ],
)
def test_why_a_stage_ended_is_told_apart(jobs: RayJobs, tmp_path: Path, ways: str, told: str) -> None:
    result, _ = launched(jobs, toy(tmp_path, ways), tmp_path, resumes=0)
    assert reason(result).startswith(told)


def test_what_was_stopped_or_killed_goes_on_as_another_job(jobs: RayJobs, tmp_path: Path) -> None:
    script = toy(tmp_path, "killed,stopped,finish")
    result, instance = launched(jobs, script, tmp_path, resumes=2)
    assert result.success
    assert read_result(script.out)["metrics"] == {"attempts": 3}
    told = [line.split(":")[0] for line in logged(result, instance) if "resumes in" in line]
    assert told == ["lost", "pre-empted"]


def test_a_job_somebody_stopped_is_pre_empted_and_goes_on(
    jobs: RayJobs, client: JobSubmissionClient, tmp_path: Path
) -> None:
    def stop() -> None:
        outliving.until(lambda: outliving.attempts(tmp_path))
        [name] = [job.submission_id for job in client.list_jobs() if job.status == JobStatus.RUNNING]
        client.stop_job(name or "")

    threading.Thread(target=stop).start()
    result, instance = launched(jobs, toy(tmp_path, "sleep,finish"), tmp_path, resumes=1)
    assert result.success
    assert any(line.startswith("pre-empted: ") for line in logged(result, instance))


def test_a_job_whose_worker_dies_is_lost_and_goes_on(jobs: RayJobs, tmp_path: Path) -> None:
    def kill_supervisor() -> None:
        outliving.until(lambda: outliving.attempts(tmp_path))
        limit = parent(outliving.attempts(tmp_path)[0])
        os.kill(parent(limit), signal.SIGKILL)

    threading.Thread(target=kill_supervisor).start()
    result, instance = launched(jobs, toy(tmp_path, "sleep,finish"), tmp_path, resumes=1)
    assert result.success
    assert any(line.startswith("lost: JOB_SUPERVISOR_ACTOR_DIED: ") for line in logged(result, instance))


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_job_that_takes_too_long_is_told_so(jobs: RayJobs, tmp_path: Path) -> None:
    result, _ = launched(jobs, toy(tmp_path, "sleep"), tmp_path, time_limit_s=8, grace_s=5)
    assert reason(result).startswith("tests.resources.toy_stage over its time limit; ")


def test_a_step_that_is_cancelled_stops_its_job(jobs: RayJobs, client: JobSubmissionClient, tmp_path: Path) -> None:
    outliving.ends_what_is_cancelled(jobs, tmp_path)
    assert not [job for job in client.list_jobs() if not job.status.is_terminal()]


def test_a_job_outlives_its_step_and_the_next_step_attaches(jobs: RayJobs, tmp_path: Path) -> None:
    outliving.attaches_to_what_is_there(jobs, tmp_path)


def test_a_job_outlives_the_connection(jobs: RayJobs, tmp_path: Path, connection: Breakable) -> None:
    outliving.outlives_its_connection(jobs, tmp_path, connection)


def test_a_cluster_that_stays_away_is_given_up(tmp_path: Path, connection: Breakable) -> None:
    impatient = RayJobs(tracking_uri="", python=sys.executable, patience_s=1)
    told = outliving.gives_up_when_patience_is_over(impatient, tmp_path, connection)
    assert told.startswith("Ray has been out of reach for 1 s: ")


def test_who_has_no_token_is_refused(jobs: RayJobs, tmp_path: Path) -> None:
    without = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    command = [sys.executable, "-c", TOKENLESS, str(tmp_path), sys.executable]
    done = subprocess.run(command, env=without, capture_output=True, text=True)
    assert done.stdout.startswith("Ray refused: ")


def test_training_on_ray_ends_with_the_weights_of_training_here(
    jobs: RayJobs,
    tmp_path: Path,
    splits: Path,  # noqa: F811
) -> None:
    here = trained(LocalJobs(tracking_uri=""), tmp_path / "here", splits)
    assert trained(jobs, tmp_path / "ray", splits) == here


@pytest.mark.nightly
@pytest.mark.timeout(3000)
@pytest.mark.usefixtures("jobs")
def test_all_training_stages_make_the_same_weights_here_and_on_ray(client: JobSubmissionClient, tmp_path: Path) -> None:
    assert_same_weights(turned(tmp_path, "local"), turned(tmp_path, "ray"))
    ran = {(job.submission_id or "").rpartition("-")[0] for job in client.list_jobs()}
    assert stages_of(tmp_path / "ray") <= ran
