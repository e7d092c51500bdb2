"""What Slurm's commands print, and what is made of it."""

from pathlib import Path

import pytest

from agentworld_dag.errors import ClusterError
from agentworld_dag.resources.slurm_client import Job, Unreachable, accounted_job, job, oldest_live, seconds, shown_job

RUNNING = (
    "JobId=7 JobName=world_model_cpt-0123 UserId=me(1000) GroupId=me(1000) MCS_label=N/A Priority=4294901757 Nice=0 "
    "Account=(null) QOS=(null) JobState=RUNNING Reason=None Dependency=(null) Requeue=0 Restarts=0 "
    "BatchFlag=1 Reboot=0 ExitCode=0:0 RunTime=00:01:07 TimeLimit=01:02:00 TimeMin=N/A SubmitTime=2026-11-23T16:00:00"
)


def test_a_job_as_scontrol_shows_it() -> None:
    assert shown_job("7", RUNNING) == Job("7", "RUNNING", "None", 0, 0, 67)
    failed = RUNNING.replace("RUNNING Reason=None", "FAILED Reason=NonZeroExitCode").replace("ode=0:0", "ode=75:0")
    assert shown_job("7", failed) == Job("7", "FAILED", "NonZeroExitCode", 75, 0, 67)
    with pytest.raises(ClusterError, match="expected JobState"):
        shown_job("7", "No jobs in the system")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", None),
        ("COMPLETED|0:0|12\n", Job("7", "COMPLETED", "COMPLETED", 0, 0, 12)),
        ("CANCELLED by 1000|0:15|3\n", Job("7", "CANCELLED", "CANCELLED by 1000", 0, 15, 3)),
        ("NODE_FAIL|0:0|5\nFAILED|71:0|9\n", Job("7", "FAILED", "FAILED", 71, 0, 9)),
    ],
)
def test_a_job_as_accounting_shows_it(rows: str, expected: Job | None) -> None:
    assert accounted_job("7", rows) == expected


def test_the_live_job_of_a_queue_is_the_oldest_in_the_same_folder() -> None:
    queue = (
        "12|PENDING|/lake/a\n9|RUNNING|/lake/a\n8|COMPLETED|/lake/a\n3|RUNNING|/elsewhere/a|b\n10|COMPLETING|/lake/a\n"
    )
    assert oldest_live(queue, Path("/lake/a")) == "9"
    assert oldest_live(queue, Path("/elsewhere/a|b")) == "3"
    assert oldest_live("8|COMPLETED|/lake/a\n", Path("/lake/a")) is None
    assert oldest_live("", Path("/lake/a")) is None


def test_spans_of_time() -> None:
    assert [seconds(span) for span in ("00:00:00", "01:02:03", "2-00:00:01")] == [0, 3723, 172801]


@pytest.mark.parametrize(
    ("does", "error"),
    [
        ("fail 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)'", Unreachable),
        ("fail 'slurm_load_jobs error: Socket timed out on send/recv operation'", Unreachable),
        ("kill -PIPE $$", Unreachable),
        ("fail 'slurm_load_jobs error: Access/permission denied'", ClusterError),
    ],
)
def test_no_answer_is_told_from_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, error: type[ClusterError]
) -> None:
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f"#!/bin/sh\nfail() {{ echo $1 >&2; exit 1; }}\n{does}\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ClusterError, match=r"slurm_load_jobs error|scontrol ended with code -13") as raised:
        job("7")
    assert type(raised.value) is error


def test_a_machine_without_slurm_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="no scontrol on PATH: run on a machine that submits to Slurm"):
        job("7")
