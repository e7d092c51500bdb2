"""Stage scripts as Slurm jobs, submitted on a machine that shares the lake's file system with the nodes.

A client of our own and not dagster-slurm: that one reaches a cluster over SSH and
ships code and a packed pixi environment to it, which a lake on a shared file
system makes superfluous. Its one way to fail is an exception, where we have to
tell pre-emption, memory and time limits apart, and it finds a job again by tags of
earlier Dagster runs, where ours is named after the artifact, whoever asks for it.
On a cluster without accounting it took a job it knew nothing of for finished.

Left out: SSH, job arrays and heterogeneous jobs.
"""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg

from agentworld_dag.artifacts import is_complete
from agentworld_dag.compute import Needs
from agentworld_dag.errors import AgentWorldError, ClusterError
from agentworld_dag.exit_codes import RESUME_ME
from agentworld_dag.resources import slurm_client
from agentworld_dag.resources.ending import Ending, Reason, by_exit_code, run_to_the_end, told_code
from agentworld_dag.resources.job_folder import JobFolder
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Script
from agentworld_dag.resources.slurm_client import Job, Unreachable
from agentworld_dag.resources.slurm_request import Request, job_script, passed_variables, sbatch_options

LONGEST_PAUSE_S = 60.0
VISIBLE_WITHIN_S = 60.0
"""How late network file systems show a new file, with their usual settings."""
SHELL_SIGNAL = 128
"""A shell and srun report a signal as an exit code above this."""
Answer = TypeVar("Answer")


class SlurmJobs(dg.ConfigurableResource):
    """They go on when the step that started them dies, and the next step of the same artifact finds them again.

    A step that is cancelled cancels its job.
    """

    tracking_uri: str
    """The MLflow server that stages log to, as nodes reach it."""
    folder: str
    """For what steps and jobs tell each other; nodes see it under the same path."""
    python: str
    """The interpreter on the nodes, of an environment with this package."""
    options: list[str]
    """More options of sbatch, such as --account=...; they win over ours."""
    image_option: str | None = None
    """The option of sbatch that takes a container image here."""
    passed: list[str]
    """Variables of the step that the job gets too, credentials among them; `AWS_*` is every one that begins so."""
    poll_s: float = 5.0
    patience_s: float = 900.0
    """How long Slurm may give no answer before the step fails, and leaves the job to the next."""

    def launch(self, context: dg.AssetExecutionContext, script: Script, preset: RunPreset) -> None:
        needs = script.needs(preset)
        try:
            run_to_the_end(context, script, needs, lambda: self._attempt(context, script, preset, needs))
        except AgentWorldError as error:
            raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error

    def _attempt(self, context: dg.AssetExecutionContext, script: Script, preset: RunPreset, needs: Needs) -> Ending:
        folder = JobFolder(Path(self.folder).resolve() / script.name)
        with dg.open_pipes_session(context, folder.context, folder.messages) as session:
            request = Request(
                script.name,
                [*sbatch_options(script.name, folder.path, needs, self.image_option), *self.options],
                script.command(preset, self.python),
                needs.nodes,
                {**self._environment(script, preset), **session.get_bootstrap_env_vars()},
            )
            try:
                job_id = self._found_or_submitted(context, request, folder)
                job = self._watched(context, job_id, folder)
            except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
                self._cancel(context, script.name, folder)
                raise
            self._forget(context, script.name, folder)
        if job and job.state == "COMPLETED":
            _wait_for_result(script.out)
        if job is None and is_complete(script.out):
            return Ending(Reason.FINISHED, f"Slurm has forgotten job {job_id}, its result is there")
        return ending(job, job_id, needs, session.get_custom_messages())

    def _environment(self, script: Script, preset: RunPreset) -> dict[str, str]:
        return {**passed_variables(self.passed), **script.environment(preset, self.tracking_uri)}

    def _found_or_submitted(self, context: dg.AssetExecutionContext, request: Request, folder: JobFolder) -> str:
        """Looks again before every try: a submission that got no answer may have come through."""

        def found_or_submitted() -> str:
            if found := slurm_client.live_job(request.name, folder.path):
                context.log.info(f"goes on with job {found}, which runs or waits already")
                return found
            folder.forget_environment()
            made = _submitted(request, folder)
            context.log.info(f"submitted job {made}; what it prints is in {folder.output}")
            return made

        with folder.locked():
            return self._patiently(context, found_or_submitted)

    def _watched(self, context: dg.AssetExecutionContext, job_id: str, folder: JobFolder) -> Job | None:
        """The job when it has ended; None when Slurm has forgotten how."""
        seen = ""
        while True:
            job = self._patiently(context, lambda: slurm_client.job(job_id))
            folder.pass_on()
            if job is None or job.ended:
                return job
            if (now := f"job {job_id} is {job.state} ({job.reason})") != seen:
                context.log.info(seen := now)
            time.sleep(self.poll_s)

    def _cancel(self, context: dg.AssetExecutionContext, name: str, folder: JobFolder) -> None:
        """End the job and wait until none of its processes is left."""
        job_id = self._patiently(context, lambda: slurm_client.live_job(name, folder.path))
        if job_id is None:
            return
        self._patiently(context, lambda: slurm_client.cancel(job_id))
        context.log.info(f"cancelled job {job_id}")
        self._watched(context, job_id, folder)
        self._forget(context, name, folder)

    def _forget(self, context: dg.AssetExecutionContext, name: str, folder: JobFolder) -> None:
        """Environments of jobs that ended before they started; another step may have submitted one meanwhile."""
        if not folder.environments():
            return
        with folder.locked():
            if self._patiently(context, lambda: slurm_client.live_job(name, folder.path)) is None:
                folder.forget_environment()

    def _patiently(self, context: dg.AssetExecutionContext, ask: Callable[[], Answer]) -> Answer:
        """Slurm's answer, asked for again while its controller is not there. Raises Unreachable in the end."""
        gives_up_at, pause_s = time.monotonic() + self.patience_s, self.poll_s
        while True:
            try:
                return ask()
            except Unreachable as error:
                if time.monotonic() > gives_up_at:
                    told = f"Slurm gave no answer for {self.patience_s:.0f} s ({error}); a job that runs goes on"
                    raise Unreachable(f"{told}: run again to find it") from error
                context.log.warning(f"Slurm gives no answer ({error}), is asked again in {pause_s:.0f} s")
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _submitted(request: Request, folder: JobFolder) -> str:
    environment = folder.begin_anew(request.environment)
    script = folder.write_script(job_script(request.command, request.nodes, environment.name))
    try:
        return slurm_client.submit(request.options, script)
    except Unreachable:
        raise
    except ClusterError:
        folder.forget_environment()  # no job will do it
        raise


def ending(job: Job | None, job_id: str, needs: Needs, messages: Sequence[Any]) -> Ending:
    """By the state Slurm gives an ended job; where that says only "failed", by its exit code."""
    if job is None:
        return Ending(Reason.LOST, f"Slurm has forgotten job {job_id}")
    match job.state:
        case "OUT_OF_MEMORY":
            return Ending(Reason.OUT_OF_MEMORY, f"job {job_id} needed more than {needs.memory_gib:g} GiB per node")
        case "TIMEOUT" | "DEADLINE":
            return Ending(Reason.TIME_LIMIT, f"job {job_id} ran for {job.run_s} s")
        case "PREEMPTED":
            return Ending(Reason.PREEMPTED, f"job {job_id} gave way to another")
        case "NODE_FAIL" | "BOOT_FAIL" | "REVOKED":
            return Ending(Reason.LOST, f"job {job_id}: {job.state}")
        case "CANCELLED":
            # Slurm calls what it pre-empts PREEMPTED: this was a person, who would not want another.
            return Ending(Reason.FAILED, f"somebody cancelled job {job_id}")
    return _by_process(job, needs, messages)


def _by_process(job: Job, needs: Needs, messages: Sequence[Any]) -> Ending:
    """What the stage announced goes first: of several nodes Slurm gives the highest code, a kill's where one failed."""
    announced = told_code(messages)
    code = job.code if announced is None else announced
    died_by = 0 if announced else job.signal or max(job.code - SHELL_SIGNAL, 0)
    if job.run_s >= needs.time_limit_s and (code == RESUME_ME or died_by == signal.SIGTERM):
        return Ending(Reason.TIME_LIMIT, f"job {job.id} was asked to stop after {job.run_s} s")
    if died_by == signal.SIGKILL:
        return Ending(Reason.LOST, f"job {job.id}: killed by SIGKILL")
    if died_by == signal.SIGTERM:
        return Ending(Reason.PREEMPTED, f"job {job.id}: asked to stop before it could keep anything")
    return by_exit_code(code or -job.signal, messages)


def _wait_for_result(out: Path) -> None:
    gives_up_at = time.monotonic() + VISIBLE_WITHIN_S
    while not is_complete(out) and time.monotonic() < gives_up_at:
        for folder in (out.parent, out):  # listing a folder is what makes a network file system look again
            list(folder.glob("*"))
        time.sleep(1)
