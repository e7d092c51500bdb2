"""Stage scripts as jobs of a Ray cluster.

Ray's own client submits them, because dagster-ray's `PipesRayJobClient` cannot
attach to a job that is there, gives up when the connection breaks, keeps exit
code and messages of a failed job to itself, and does not wait for a job it has
stopped. A job is on one node: stages on several nodes are not for
Ray, and `queue` means nothing here. Address and token come from the
environment (`RAY_ADDRESS`, `RAY_AUTH_MODE`, `RAY_AUTH_TOKEN`).
"""

import asyncio
import itertools
import re
import shlex
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from agentworld_dag.compute import Needs
from agentworld_dag.resources.ending import Ending, Reason, by_exit_code, refuse_several_nodes, run_to_the_end
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.remote_job import INTERRUPTS, POLL_S, STOP_PATIENCE_S, JobLog, answered
from agentworld_dag.resources.script import Script

if TYPE_CHECKING:
    from ray.dashboard.modules.job.pydantic_models import JobDetails  # pyright: ignore[reportMissingImports]
    from ray.job_submission import JobSubmissionClient  # pyright: ignore[reportMissingImports]

ENGINE = "Ray"
OUT = "agentworld/out"
"""Metadata of a job: the folder it fills, by which a later step knows that the job is its own."""
TIMED_OUT, KILLED_AFTER_TIME = 124, 137
"""Exit codes of timeout(1): the stage ended when it was asked to, or had to be killed after its grace."""
LOST_WITH_ITS_NODE = {"JOB_SUPERVISOR_ACTOR_DIED", "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"}
NO_MEMORY = re.compile(r"low on memory|OutOfMemory|memory usage threshold")
"""Says Ray of what its memory monitor has killed."""
QUIET_S = 60
"""A log that has been silent for so long may have lost its connection, and is opened again."""
LEEWAY_S = 30


class RayJobs(dg.ConfigurableResource):
    """Jobs outlive the step that started them; the next step that wants the same artifact attaches to its job."""

    tracking_uri: str
    """The MLflow server that stages log to, as the cluster's nodes see it."""
    python: str = "python"
    """The interpreter on the cluster's nodes; it has this package."""
    runtime_env: dict[str, Any] = Field(default={})
    """As Ray takes it: `working_dir`, `pip`, `env_vars`. Of it, a stage with an image gets `env_vars` only."""
    entrypoint_resources: dict[str, float] = Field(default={})
    """Resources of the cluster's own naming that every stage asks for, such as `accelerator_type:H100`."""
    patience_s: int = 3600
    """How long a cluster may be out of reach before the step gives up; its job goes on."""

    def launch(self, context: dg.AssetExecutionContext, script: Script, preset: RunPreset) -> None:
        needs = script.needs(preset)
        refuse_several_nodes(script, needs, "a job of Ray has one")
        run_to_the_end(context, script, needs, lambda: self._attempt(context, script, preset, needs))

    def _attempt(self, context: dg.AssetExecutionContext, script: Script, preset: RunPreset, needs: Needs) -> Ending:
        client = answered(context, ENGINE, self.patience_s, _connected)
        name, is_there = answered(context, ENGINE, self.patience_s, lambda: _named(client, script))
        with dg.open_pipes_session(
            context, dg.PipesEnvContextInjector(), JobLog(lambda: _lines(client, name))
        ) as session:
            environment = {**script.environment(preset, self.tracking_uri), **session.get_bootstrap_env_vars()}
            request = self._request(context, script, preset, needs, environment) | {"submission_id": name}
            try:
                if is_there:
                    context.log.info(f"attached to job {name}")
                else:
                    answered(context, ENGINE, self.patience_s, lambda: _submit(client, request))
                    context.log.info(f"submitted job {name}")
                job = self._ended(context, client, name)
            except INTERRUPTS:
                _stop(context, client, name, needs.grace_s)
                raise
        return _ending(job, session.get_custom_messages())

    def _request(
        self,
        context: dg.AssetExecutionContext,
        script: Script,
        preset: RunPreset,
        needs: Needs,
        environment: Mapping[str, str],
    ) -> dict[str, Any]:
        own = {} if needs.image else self.runtime_env
        image = {"image_uri": needs.image} if needs.image else {}
        # the supervisor of the job reads it and gives the stage that long after SIGTERM
        grace = {"RAY_JOB_STOP_WAIT_TIME_S": str(needs.grace_s)}
        variables = {**self.runtime_env.get("env_vars", {}), **grace, **environment}
        return {
            "entrypoint": _entrypoint(script.command(preset, self.python), needs),
            "runtime_env": {**own, **image, "env_vars": variables},
            "metadata": {OUT: str(script.out), "dagster/run_id": context.run_id},
            "entrypoint_num_cpus": needs.cpus,
            "entrypoint_num_gpus": needs.gpus,
            "entrypoint_memory": int(needs.memory_gib * 2**30),
            "entrypoint_resources": dict(self.entrypoint_resources),
        }

    def _ended(
        self, context: dg.AssetExecutionContext, client: "JobSubmissionClient", name: str
    ) -> "JobDetails | None":
        """The job when it has ended; None when Ray knows it no longer."""
        while True:
            job = answered(context, ENGINE, self.patience_s, lambda: _job(client, name))
            if job is None or job.status.is_terminal():
                return job
            time.sleep(POLL_S)


def _entrypoint(command: list[str], needs: Needs) -> str:
    """Ray has no time limit; timeout(1) keeps to it even while nobody watches."""
    limit = ["timeout", "--foreground", f"--kill-after={needs.grace_s}", str(needs.time_limit_s)]
    return shlex.join(["exec", *limit, *command])


def _connected() -> "JobSubmissionClient":
    from ray.exceptions import AuthenticationError  # pyright: ignore[reportMissingImports]
    from ray.job_submission import JobSubmissionClient  # pyright: ignore[reportMissingImports]

    try:
        return JobSubmissionClient()
    except OSError as error:
        raise ConnectionError(str(error)) from error
    except AuthenticationError as error:
        raise dg.Failure(f"Ray refused: {error}", allow_retries=False) from error


@contextmanager
def _reaching() -> Iterator[None]:
    """Ray's client raises what its HTTP libraries do, and RuntimeError for any refusal."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error


def _jobs(client: "JobSubmissionClient") -> dict[str, "JobDetails"]:
    with _reaching():
        return {job.submission_id: job for job in client.list_jobs() if job.submission_id}


def _named(client: "JobSubmissionClient", script: Script) -> tuple[str, bool]:
    """The name of the job that is making the artifact, and True; or a name never used, and False."""
    jobs = _jobs(client)
    for attempt in itertools.count(1):
        name = f"{script.name}-{attempt}"
        job = jobs.get(name)
        if job is None:
            return name, False
        if not job.status.is_terminal() and (job.metadata or {}).get(OUT) == str(script.out):
            return name, True
    raise AssertionError("unreachable")


def _submit(client: "JobSubmissionClient", request: Mapping[str, Any]) -> None:
    """Raises dg.Failure when Ray refuses. Asked twice because an answer was lost, it starts one job."""
    name = request["submission_id"]
    try:
        client.submit_job(**request)
    except OSError as error:
        raise ConnectionError(str(error)) from error
    except RuntimeError as error:
        if name not in _jobs(client):
            raise dg.Failure(f"Ray refused {name}: {error}", allow_retries=False) from error


def _job(client: "JobSubmissionClient", name: str) -> "JobDetails | None":
    try:
        return client.get_job_info(name)
    except OSError as error:
        raise ConnectionError(str(error)) from error
    except RuntimeError:  # of a job that is not there too
        return _jobs(client).get(name)


def _stop(context: dg.AssetExecutionContext, client: "JobSubmissionClient", name: str, grace_s: float) -> None:
    """Ask the job to stop and wait until it has. Tells what keeps it from that."""
    try:
        answered(context, ENGINE, STOP_PATIENCE_S, lambda: _ask_to_stop(client, name))
        deadline = time.monotonic() + grace_s + LEEWAY_S
        while (job := answered(context, ENGINE, STOP_PATIENCE_S, lambda: _live_job(client, name))) is not None:
            if time.monotonic() > deadline:
                raise dg.Failure(f"still {job.status}", allow_retries=False)
            time.sleep(POLL_S)
    except dg.Failure as failure:  # the caller is being cancelled, and nothing may take the place of that
        context.log.error(f"job {name} may go on ({failure.description}); stop it by `ray job stop {name}`")


def _ask_to_stop(client: "JobSubmissionClient", name: str) -> None:
    if _live_job(client, name):
        with _reaching():
            client.stop_job(name)


def _live_job(client: "JobSubmissionClient", name: str) -> "JobDetails | None":
    job = _job(client, name)
    return None if job is None or job.status.is_terminal() else job


def _lines(client: "JobSubmissionClient", name: str) -> Iterator[str]:
    """The job's log as far as it goes; its last line when it is whole."""
    rest = ""
    for chunk in _chunks(client, name):
        *whole, rest = (rest + chunk).split("\n")
        yield from whole


def _chunks(client: "JobSubmissionClient", name: str) -> Iterator[str]:
    import aiohttp

    tail = client.tail_job_logs(name)
    with asyncio.Runner() as loop:
        while True:
            try:
                chunk = loop.run(asyncio.wait_for(anext(tail, None), QUIET_S))
            except (OSError, RuntimeError, aiohttp.ClientError) as error:
                raise ConnectionError(str(error)) from error
            if chunk is None:
                return
            yield chunk


def _ending(job: "JobDetails | None", messages: Iterable[Any]) -> Ending:
    if job is None:
        return Ending(Reason.LOST, "Ray knows it no longer: was the cluster started anew?")
    if job.status == "STOPPED":
        return Ending(Reason.PREEMPTED, "somebody stopped its job")
    code = 0 if job.status == "SUCCEEDED" else job.driver_exit_code
    if code is None:
        return _never_ended(job)
    if code in (TIMED_OUT, KILLED_AFTER_TIME):
        return Ending(Reason.TIME_LIMIT, "")
    if code == -signal.SIGKILL:
        return Ending(Reason.LOST, "killed by SIGKILL, by hand or for want of memory")
    if code == -signal.SIGTERM:
        return Ending(Reason.PREEMPTED, "asked to stop before it could keep anything")
    return by_exit_code(code, messages)


def _never_ended(job: "JobDetails") -> Ending:
    """Of a job whose process Ray could not start, or saw no end of."""
    said = (job.message or "").strip().split("\n")[0]
    words = f"{job.error_type}: {said}"
    if NO_MEMORY.search(job.message or ""):
        return Ending(Reason.OUT_OF_MEMORY, words)
    return Ending(Reason.LOST if job.error_type in LOST_WITH_ITS_NODE else Reason.FAILED, words)
