"""Stage scripts as processes on this machine, which gives each what it has.

Of what a preset asks for, the time limit is kept; no amount, queue or image is.
"""

import os
import signal
import subprocess
from pathlib import Path

import dagster as dg

from agentworld_dag.compute import Needs
from agentworld_dag.process import PARENT
from agentworld_dag.resources.ending import Ending, Reason, by_exit_code, refuse_several_nodes, run_to_the_end
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Script

KILLED_FOR_MEMORY = "oom_kill"


class LocalJobs(dg.ConfigurableResource):
    """They end when the step that started them ends."""

    tracking_uri: str
    """The MLflow store or server that stages log to."""

    def launch(self, context: dg.AssetExecutionContext, script: Script, preset: RunPreset) -> None:
        needs = script.needs(preset)
        refuse_several_nodes(script, needs, "this machine is one")
        run_to_the_end(context, script, needs, lambda: self._attempt(context, script, preset, needs))

    def _attempt(self, context: dg.AssetExecutionContext, script: Script, preset: RunPreset, needs: Needs) -> Ending:
        added = script.environment(preset, self.tracking_uri)
        killed_before = _killed_for_memory()
        with dg.open_pipes_session(
            context, dg.PipesTempFileContextInjector(), dg.PipesTempFileMessageReader()
        ) as session:
            environment = {**os.environ, **added, PARENT: str(os.getpid()), **session.get_bootstrap_env_vars()}
            process = subprocess.Popen(script.command(preset), env=environment)
            try:
                code = process.wait(needs.time_limit_s)
            except subprocess.TimeoutExpired:
                return Ending(Reason.TIME_LIMIT, "")
            finally:
                _end(process, needs.grace_s)
        if code == -signal.SIGKILL:
            return _killed(killed_before)
        if code == -signal.SIGTERM:
            return Ending(Reason.PREEMPTED, "asked to stop before it could keep anything")
        return by_exit_code(code, session.get_custom_messages())


def _end(process: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """Let a process that is still there write its checkpoint, then make it end."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _killed(killed_before: int) -> Ending:
    if _killed_for_memory() > killed_before:
        return Ending(Reason.OUT_OF_MEMORY, "the kernel killed it")
    return Ending(Reason.LOST, "killed by SIGKILL")


def _killed_for_memory() -> int:
    """How many processes of this machine the kernel has killed for want of memory; 0 where it does not tell."""
    lines = Path("/proc/vmstat").read_text().splitlines()
    counts = dict(line.split() for line in lines)
    return int(counts.get(KILLED_FOR_MEMORY, 0))
