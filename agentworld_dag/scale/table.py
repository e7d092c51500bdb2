"""The plan of a preset as text: stages in columns, what they hold and cost in rows."""

from collections.abc import Iterator

from agentworld_dag.config import Preset
from agentworld_dag.scale.case import Case, cases
from agentworld_dag.scale.effort import effort
from agentworld_dag.scale.memory import checkpoint_gib, memory, not_saved
from agentworld_dag.scale.remedies import fits, remedies
from agentworld_dag.scale.shape import full_layers, parameters

NAME, COLUMN = 28, 15
MINUTES_BELOW_H, DAYS_FROM_H = 2, 48


def page(preset: Preset, stage: str | None = None) -> str:
    """Every stage that trains, or one. Raises ConfigError on an unknown stage or contradictory sizes."""
    shown = cases(preset, stage)
    parts = [[_model(preset), *_assumed(preset)], list(_table(shown)), list(_advice(shown))]
    return "\n".join("\n".join(lines) + "\n" for lines in parts if lines)


def _model(preset: Preset) -> str:
    size, model = parameters(preset.model), preset.model
    attention = "" if full_layers(model) == model.layers else f" ({full_layers(model)} with full attention)"
    return (
        f"{preset.name}: {_count(size.total)} parameters, {_count(size.active)} active, "
        f"{model.layers} layers{attention}, vocabulary {model.vocab_size:,}, up to {model.max_tokens:,} tokens"
    )


def _assumed(preset: Preset) -> Iterator[str]:
    plan, mfu, each, lengths = preset.plan, preset.plan.mfu, preset.plan.bytes, preset.plan.lengths
    device, tflops = (plan.gpu.name, plan.gpu.tflops) if plan.gpu else ("a processor", plan.node_tflops)
    used = f"used to {mfu.training:g} in training, {mfu.reading:g} reading, {mfu.writing:g} writing"
    yield f"assumed: {device}, {tflops:g} TFLOP/s, {used};"
    yield (
        f"  bytes: weight {each.weight}, gradient {each.gradient}, master weight {each.master}, moment {each.moment};"
    )
    if plan.sequence_gpus > 1:
        yield f"  one sequence in training split over {plan.sequence_gpus} GPUs, which is not built;"
    if (gpus := plan.rollouts.engine_gpus) > 1:
        yield f"  engines split over {gpus} GPUs: the policy's beside training, and a simulator's server on each node;"
    yield (
        f"  mean tokens: sample {lengths.sample:,}, world model's prompt {lengths.world_model_prompt:,}, "
        f"agent's episode {lengths.agent_episode:,}"
    )


def _table(shown: list[Case]) -> Iterator[str]:
    yield _row("", [case.stage.rpartition(".")[2] for case in shown])
    yield _row("runs on", [_machines(case) for case in shown])
    yield _row("sharding", [case.needs.sharding if case.devices > 1 else "none" for case in shown])
    yield _row("activations", ["computed again" if case.needs.recompute_activations else "kept" for case in shown])
    yield _row("tokens in a pass, each", [f"{case.tokens_per_device:,.0f}" for case in shown])
    yield "GiB on each"
    yield from _memory_rows(shown)
    yield _row("  of", [_gib(case.memory_gib) for case in shown])
    yield _row("", ["fits" if fits(case) else "TOO MUCH" for case in shown])
    yield "GiB, if nothing were saved"
    for part in ("activations", "logits"):
        yield _row(f"  {part}", [_gib(not_saved(case)[part]) for case in shown])
    yield _row("GiB of a checkpoint", [_gib(checkpoint_gib(case)) for case in shown])
    yield from _effort_rows(shown)


def _memory_rows(shown: list[Case]) -> Iterator[str]:
    found = [memory(case) for case in shown]
    for phase, title in (("held", "  {}"), ("training", "  training: {}"), ("generating", "  generating: {}")):
        for part in getattr(found[0], phase):
            yield _row(title.format(part), [_gib(getattr(each, phase)[part]) for each in found])
    yield _row("  at most", [_gib(each.total) for each in found])


def _effort_rows(shown: list[Case]) -> Iterator[str]:
    work, found = [case.work for case in shown], [effort(case) for case in shown]
    hours, money = sum(each.hours for each in found), sum(each.money for each in found)
    yield _row("tokens trained on", [_count(each.trained_tokens) for each in work])
    yield _row("tokens read", [_count(each.read_tokens) for each in work])
    yield _row("tokens written", [_count(each.written_tokens) for each in work])
    yield _row("training", [_time(each.training_h) for each in found])
    yield _row("moving weights meanwhile", [_time(each.moving_h) for each in found])
    yield _row("reading prompts", [_time(each.reading_h) for each in found])
    yield _row("writing", [_time(each.writing_h) for each in found])
    yield _row(f"in all {_time(hours)}", [_time(each.hours) for each in found])
    yield _row(f"{shown[0].prices.currency} {money:,.2f}", [f"{each.money:,.2f}" for each in found])


def _advice(shown: list[Case]) -> Iterator[str]:
    for case in shown:
        if not fits(case):
            found = remedies(case)
            yield f"{case.stage} does not fit; " + (
                f"each of these is enough: {'; '.join(found)}"
                if found
                else "no change that this plan knows is enough alone"
            )


def _machines(case: Case) -> str:
    if not case.on_gpu:
        return f"{case.needs.nodes} x {case.needs.cpus} cores"
    return f"{case.needs.nodes} x {case.needs.gpus} GPUs" if case.gpus > 1 else "1 GPU"


def _row(name: str, cells: list[str]) -> str:
    return f"{name:{NAME}}" + "".join(f"{cell:>{COLUMN}}" for cell in cells)


def _gib(value: float) -> str:
    return f"{value:,.1f}" if value >= 1 or value == 0 else f"{value:.3f}"


def _count(value: float) -> str:
    for unit, name in ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:.4g}{name}"
    return f"{value:.0f}"


def _time(hours: float) -> str:
    if hours < MINUTES_BELOW_H:
        return f"{hours * 60:.1f} min"
    return f"{hours:.1f} h" if hours < DAYS_FROM_H else f"{hours / 24:.1f} days"
