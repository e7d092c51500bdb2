"""What to change in a preset so that a stage fits: each change alone, the least of it that is enough."""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

from agentworld_dag.scale.case import Case
from agentworld_dag.scale.memory import memory

DOUBLINGS = 6


def fits(case: Case) -> bool:
    return memory(case).total <= case.memory_gib


def remedies(case: Case) -> list[str]:
    """In words, the cheapest first; empty when no single change is enough, or none is needed."""
    if fits(case):
        return []
    enough = (next((words for words, changed in tried if fits(changed)), None) for tried in _changes(case))
    return [words for words in enough if words]


def _changes(case: Case) -> Iterator[list[tuple[str, Case]]]:
    plan, work, needs = case.plan, case.work, case.needs
    doubled = [2**power for power in range(1, DOUBLINGS + 1)]
    if not plan.recompute_activations:
        yield [("recompute activations", _planned(case, recompute_activations=True))]
    yield [
        (f"{times} times the passes per step", replace(case, work=replace(work, tokens_per_pass=fewer)))
        for times in doubled
        if (fewer := work.tokens_per_pass // times)
    ]
    if work.cached_tokens:
        yield [
            (f"{fewer} sequences generated at once", _generating(case, sequences=fewer))
            for times in doubled
            if (fewer := plan.rollouts.sequences // times)
        ]
    if case.sharded:
        yield [
            (f"one sequence over {gpus} GPUs", _planned(case, sequence_gpus=gpus))
            for times in doubled
            if case.devices % (gpus := plan.sequence_gpus * times) == 0
        ]
        if work.cached_tokens:
            yield [
                (f"an engine over {gpus} GPUs", _generating(case, engine_gpus=gpus))
                for times in doubled
                if case.devices % (gpus := plan.rollouts.engine_gpus * times) == 0
            ]
    yield [("moments in 8 bits", _planned(case, bytes=plan.bytes.model_copy(update={"moment": 1})))]
    if case.on_gpu:
        yield [
            (f"{nodes} nodes", replace(case, needs=needs.model_copy(update={"nodes": nodes})))
            for times in doubled
            if (nodes := needs.nodes * times)
        ]
    else:
        enough = ceil(memory(case).total)
        yield [(f"{enough} GiB of memory", replace(case, needs=needs.model_copy(update={"memory_gib": enough})))]


def _planned(case: Case, **changes: object) -> Case:
    return replace(case, plan=case.plan.model_copy(update=changes))


def _generating(case: Case, **changes: object) -> Case:
    return _planned(case, rollouts=case.plan.rollouts.model_copy(update=changes))
