"""What to change in a preset so that a stage fits: each change alone, the least of it that is enough."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil

from agentworld_dag.scale.case import Case
from agentworld_dag.scale.memory import memory

DOUBLED = tuple(2**power for power in range(1, 7))
Tried = list[tuple[str, Case]]
"""Changes of one kind, in words and made."""


def fits(case: Case) -> bool:
    return memory(case).total <= case.memory_gib


def remedies(case: Case) -> list[str]:
    """In words, the cheapest first; empty when no single change is enough, or none is needed."""
    if fits(case):
        return []
    enough = (next((words for words, changed in tried if fits(changed)), None) for tried in _changes(case))
    return [words for words in enough if words]


def _changes(case: Case) -> Iterator[Tried]:
    """Kinds of change, each from the smallest on."""
    if not case.needs.recompute_activations:
        yield [("recompute activations", _asking(case, recompute_activations=True))]
    yield _smaller_passes(case)
    if case.work.cached_tokens:
        yield _fewer_at_once(case)
    if case.sharded:
        yield _wider(case, "one sequence over {} GPUs", case.plan.sequence_gpus, _with_sequence_gpus)
    if case.sharded and case.work.cached_tokens:
        yield _wider(case, "an engine over {} GPUs", case.work.engine_gpus, _with_engine_gpus)
    yield [("moments in 8 bits", _planned(case, bytes=case.plan.bytes.model_copy(update={"moment": 1})))]
    yield _more_nodes(case) if case.on_gpu else _more_memory(case)


def _smaller_passes(case: Case) -> Tried:
    smaller = [(times, case.work.tokens_per_pass // times) for times in DOUBLED]
    return [
        (f"{times} times the passes per step", replace(case, work=replace(case.work, tokens_per_pass=tokens)))
        for times, tokens in smaller
        if tokens
    ]


def _fewer_at_once(case: Case) -> Tried:
    fewer = [case.plan.rollouts.sequences // times for times in DOUBLED]
    return [(f"{count} sequences generated at once", _generating(case, sequences=count)) for count in fewer if count]


def _wider(case: Case, words: str, gpus: int, changed: Callable[[Case, int], Case]) -> Tried:
    counts = [gpus * times for times in DOUBLED if case.devices % (gpus * times) == 0]
    return [(words.format(count), changed(case, count)) for count in counts]


def _more_nodes(case: Case) -> Tried:
    counts = [case.needs.nodes * times for times in DOUBLED]
    if case.needs.sharding != "replicated":
        return [(f"{count} nodes", _asking(case, nodes=count)) for count in counts]
    return [(f"{count} nodes, sharding fsdp2", _asking(case, nodes=count, sharding="fsdp2")) for count in counts]


def _more_memory(case: Case) -> Tried:
    enough = ceil(memory(case).total)
    return [(f"{enough} GiB of memory", _asking(case, memory_gib=enough))]


def _with_sequence_gpus(case: Case, gpus: int) -> Case:
    return _planned(case, sequence_gpus=gpus)


def _with_engine_gpus(case: Case, gpus: int) -> Case:
    return _generating(replace(case, work=replace(case.work, engine_gpus=gpus)), engine_gpus=gpus)


def _asking(case: Case, **changes: object) -> Case:
    return replace(case, needs=case.needs.model_copy(update=changes))


def _planned(case: Case, **changes: object) -> Case:
    return replace(case, plan=case.plan.model_copy(update=changes))


def _generating(case: Case, **changes: object) -> Case:
    return _planned(case, rollouts=case.plan.rollouts.model_copy(update=changes))
