import logging
import os
import re
import signal

import dagster as dg
import pytest

from agentworld_dag.jobs.console import StepLine, is_of_a_stage
from agentworld_dag.jobs.turn import Turn, covered_s, first_reason


@pytest.mark.parametrize(
    ("intervals", "seconds"),
    [
        ([], 0),
        ([(0, 10)], 10),
        ([(0, 10), (5, 15)], 15),
        ([(0, 10), (2, 3), (20, 21)], 11),
        ([(20, 21), (0, 10)], 11),
    ],
)
def test_covered_time_counts_parallel_work_once(intervals, seconds):
    assert covered_s(intervals) == seconds


def test_overhead_is_the_time_without_work(tmp_path):
    assert Turn(wall_s=100, work_s=90, made=(), reused=(), report=tmp_path).overhead_s == 10


def record(message: str, step: str | None = None) -> logging.LogRecord:
    found = logging.LogRecord("dagster", logging.INFO, "", 0, f"job - 123 - {step} - {message}", None, None)
    found.dagster_meta = {"orig_message": message, "step_key": step}
    return found


def test_console_shows_the_stage_and_hides_the_pipe():
    assert (
        StepLine()
        .format(record("step 3/4: loss 0.5", "world_model_cpt"))
        .endswith(" world_model_cpt: step 3/4: loss 0.5")
    )
    assert is_of_a_stage(record("step 3/4: loss 0.5"))
    assert not is_of_a_stage(record("[pipes] external process successfully opened dagster pipes."))


def test_console_is_what_a_step_logs_to(capfd):
    from agentworld_dag.jobs.console import console

    @dg.op
    def speak(context: dg.OpExecutionContext) -> None:
        context.log.info("hello")

    @dg.job(logger_defs={"console": console})
    def talk():
        speak()

    talk.execute_in_process(run_config={"loggers": {"console": {"config": {}}}})
    assert capfd.readouterr().err.strip().endswith("speak: hello")


@dg.asset
def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dg.asset
def faulty() -> None:
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise dg.Failure("the disk is full") from error


def job_of_the_killed() -> dg.JobDefinition:
    return dg.Definitions(assets=[killed], jobs=[dg.define_asset_job("kill", "*")]).resolve_job_def("kill")


def job_of_the_faulty() -> dg.JobDefinition:
    return dg.Definitions(assets=[faulty], jobs=[dg.define_asset_job("fail", "*")]).resolve_job_def("fail")


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (job_of_the_killed, r"killed: .*signal 9.* Nothing that was finished is lost; run again to go on$"),
        (job_of_the_faulty, r"faulty: the disk is full$"),
    ],
)
def test_a_failed_run_ends_in_one_line_with_its_reason(job, reason):
    with dg.instance_for_test() as instance:
        result = dg.execute_job(dg.reconstructable(job), instance=instance)
        assert not result.success
        assert re.match(reason, first_reason(result)), first_reason(result)
