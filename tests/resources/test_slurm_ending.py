"""How a job ended, by what Slurm says of it."""

import pytest

from agentworld_dag.exit_codes import FAILED, RESUME_ME
from agentworld_dag.resources.ending import Ending, Reason
from agentworld_dag.resources.slurm_client import Job
from agentworld_dag.resources.slurm_jobs import ending
from agentworld_dag.stage import CODE, WORDS
from tests.resources.test_slurm_request import needs

SAID = [{WORDS: "TrainError: found 3", CODE: FAILED}]


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (Job("7", "COMPLETED"), Reason.FINISHED),
        (Job("7", "FAILED", code=1), Reason.FAILED),
        (Job("7", "FAILED", code=71), Reason.OUT_OF_MEMORY),
        (Job("7", "FAILED", code=75, run_s=3599), Reason.PREEMPTED),
        (Job("7", "FAILED", code=75, run_s=3600), Reason.TIME_LIMIT),
        (Job("7", "FAILED", signal=15, run_s=3600), Reason.TIME_LIMIT),
        (Job("7", "FAILED", signal=15, run_s=5), Reason.PREEMPTED),
        (Job("7", "FAILED", code=143, run_s=5), Reason.PREEMPTED),
        (Job("7", "FAILED", signal=9), Reason.LOST),
        (Job("7", "FAILED", code=137), Reason.LOST),
        (Job("7", "FAILED", signal=11), Reason.FAILED),
        (Job("7", "OUT_OF_MEMORY", signal=9), Reason.OUT_OF_MEMORY),
        (Job("7", "TIMEOUT", signal=15, run_s=3700), Reason.TIME_LIMIT),
        (Job("7", "DEADLINE"), Reason.TIME_LIMIT),
        (Job("7", "PREEMPTED", code=75), Reason.PREEMPTED),
        (Job("7", "NODE_FAIL"), Reason.LOST),
        (Job("7", "BOOT_FAIL"), Reason.LOST),
        (Job("7", "CANCELLED", signal=15), Reason.FAILED),
        (None, Reason.LOST),
    ],
)
def test_a_state_becomes_a_reason(job: Job | None, reason: Reason) -> None:
    assert ending(job, "7", needs(time_limit_s=3600), []).reason is reason


@pytest.mark.parametrize(
    ("announced", "run_s", "reason"),
    [
        (FAILED, 5, Reason.FAILED),
        (RESUME_ME, 5, Reason.PREEMPTED),
        (RESUME_ME, 3600, Reason.TIME_LIMIT),
    ],
)
def test_a_stage_that_announced_its_end_was_not_lost_though_others_of_it_were_killed(
    announced: int, run_s: int, reason: Reason
) -> None:
    job = Job("7", "FAILED", code=137, run_s=run_s)
    assert ending(job, "7", needs(time_limit_s=3600), [{WORDS: "so", CODE: announced}]).reason is reason


def test_the_stage_s_own_words_are_kept() -> None:
    assert ending(Job("7", "FAILED", code=1), "7", needs(), SAID) == Ending(Reason.FAILED, "TrainError: found 3")
