"""How an attempt to run a stage ended, in the same words for every launcher, and whether it is worth another."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import dagster as dg

from agentworld_dag.compute import Needs
from agentworld_dag.exit_codes import FINISHED, OUT_OF_MEMORY, RESUME_ME
from agentworld_dag.resources.script import Script
from agentworld_dag.stage import CODE, WORDS


class Reason(StrEnum):
    FINISHED = "finished"
    FAILED = "failed"
    OUT_OF_MEMORY = "out of memory"
    TIME_LIMIT = "over its time limit"
    PREEMPTED = "pre-empted"
    """Somebody asked it to stop, or took its place."""
    LOST = "lost"
    """Its machine or its process is gone, and nobody says why."""


AGAIN = frozenset({Reason.PREEMPTED, Reason.LOST})
"""Endings that say nothing against the stage itself."""
ADVICE = {
    Reason.OUT_OF_MEMORY: "ask for more in the preset (compute.*.memory_gib, compute.*.gpus), or raise passes_per_step",
    Reason.TIME_LIMIT: "run again to go on, or raise compute.*.time_limit_s in the preset",
}


@dataclass(frozen=True)
class Ending:
    reason: Reason
    words: str
    """What the stage or the engine said, for people."""


def by_exit_code(code: int, messages: Iterable[Any]) -> Ending:
    """From the exit code of the stage's own process, and what it sent over Pipes before."""
    if code == FINISHED:
        return Ending(Reason.FINISHED, "")
    said = next((str(message[WORDS]) for message in _last_words(messages)), "")
    if code == RESUME_ME:
        return Ending(Reason.PREEMPTED, said or "asked to stop")
    if code == OUT_OF_MEMORY:
        return Ending(Reason.OUT_OF_MEMORY, said)
    return Ending(Reason.FAILED, said or f"exit code {code}, its traceback is in the step's stderr")


def told_code(messages: Iterable[Any]) -> int | None:
    """The exit code that a stage announced over Pipes before it ended; None when it did not."""
    return next((int(message[CODE]) for message in _last_words(messages)), None)


def _last_words(messages: Iterable[Any]) -> Iterator[dict[str, Any]]:
    return (message for message in messages if isinstance(message, dict) and WORDS in message)


def run_to_the_end(
    context: dg.AssetExecutionContext, script: Script, needs: Needs, attempt: Callable[[], Ending]
) -> None:
    """Attempts until one ends for a reason of its own. Raises dg.Failure unless it finished."""
    for left in reversed(range(needs.resumes + 1)):
        ending = attempt()
        if ending.reason is Reason.FINISHED:
            return
        if ending.reason not in AGAIN or not left:
            raise failure(script, ending)
        context.log.warning(
            f"{ending.reason}: {ending.words}; resumes in {script.out}, {left - 1} more times if need be"
        )


def refuse_several_nodes(script: Script, needs: Needs, why: str) -> None:
    """For a launcher that starts a stage on one. Raises dg.Failure."""
    if needs.nodes > 1:
        told = f"{script.module} asks for {needs.nodes} nodes, {why}: set compute.*.nodes to 1, or use Slurm"
        raise failure(script, Ending(Reason.FAILED, f"ConfigError: {told}"))


def failure(script: Script, ending: Ending) -> dg.Failure:
    """A stage's own error is told as it is; every other ending names the stage and what to do."""
    if ending.reason is Reason.FAILED and ending.words.split(":")[0].endswith("Error"):
        return dg.Failure(ending.words, allow_retries=False)
    why = f": {ending.words}" if ending.words else ""
    advice = ADVICE.get(ending.reason, "run again to go on")
    told = f"{script.module} {ending.reason}{why}; {script.out} keeps what it has: {advice}"
    return dg.Failure(told, allow_retries=False)
