"""The same loop with smaller and larger models, side by side in `docs/sizes.md`.

There is one report for each preset and seed. Presets may differ in their model
and in nothing else, and have the same seeds: what a size changes is then read
off the same held-out turns and tasks. Left out: a fitted law, which a
few sizes of a few seeds do not bear.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentworld_dag.artifacts import write_text
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation import tables
from agentworld_dag.evaluation.intervals import Estimate, Resampling, Sample, as_json, difference, estimate, mean
from agentworld_dag.evaluation.measurements import GREEDY, SAMPLED, Measurements, drift, fidelity, pool, success
from agentworld_dag.evaluation.plots import save_png
from agentworld_dag.evaluation.sizes_plot import sizes_figure
from agentworld_dag.evaluation.study import measurements_of
from agentworld_dag.evaluation.tables import Table, estimate_cell
from agentworld_dag.scale.shape import parameters
from agentworld_dag.training.settings import Model

Report = Mapping[str, Any]
Settings = Mapping[str, Any]
Measure = Callable[[Measurements], Sequence[Sample]]

GAIN = "gain by RL in simulation"
MEASURES: Mapping[str, Measure] = {
    "CPT, exact": lambda m: [fidelity(m, "cpt", GREEDY)],
    "SFT, exact": lambda m: [fidelity(m, "sft", GREEDY)],
    "RL, exact": lambda m: [fidelity(m, "rl", GREEDY)],
    "own answers fed back, exact": lambda m: [drift(m, m.mode, "free_running")],
    "base, solved": lambda m: [success(m, "base", SAMPLED)],
    "RL in simulation, solved": lambda m: [success(m, "sim_rl", SAMPLED)],
    "RL in the real shell, solved": lambda m: [success(m, "real_rl", SAMPLED)],
    GAIN: lambda m: [success(m, "sim_rl", SAMPLED), success(m, "base", SAMPLED)],
}
"""Turns are answered greedily; tasks are solved in the real shell, sampling."""
TRAINING = ("world_model_cpt", "world_model_sft", "world_model_rl", "agent_base", "agent_sim_rl", "agent_real_rl")
LIMITS = (
    "Steps, rates and data are the same at every size and were chosen at the first: a larger model may want others.",
    "Intervals of one seed cover the choice of turns and tasks, not a second training; seeds differ by several points "
    "([results.md](results.md)), so a difference of one seed may be luck.",
    "The agent has the size of its world model: what the one and what the other gives is not told apart.",
    "Models of about a million parameters say nothing about the paper's two.",
)


@dataclass(frozen=True)
class Size:
    """One preset with all its seeds."""

    preset: str
    parameters: int
    runs: Sequence[Report]
    found: Measurements


def compare(reports: Sequence[Report], out: Path) -> None:
    """Write the page and its picture. Raises EvaluationError for reports that differ in more than the model."""
    sizes = by_size(reports)
    plan = Resampling(reports[0]["settings"]["evaluation"]["bootstrap_samples"], reports[0]["seed"])
    scores = {name: [_score(measure(size.found), plan) for size in sizes] for name, measure in MEASURES.items()}
    picture = out.parent / "images" / f"{out.stem}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    drawn = {name: list(map(as_json, found)) for name, found in scores.items()}
    save_png(sizes_figure([size.parameters for size in sizes], drawn), picture)
    shown = [scores_table(sizes, scores, plan), seconds_table(sizes)]
    write_text(out, _document(sizes, shown, picture.relative_to(out.parent)))


def by_size(reports: Sequence[Report]) -> list[Size]:
    """Smallest first. Raises EvaluationError."""
    groups: dict[str, list[Report]] = {}
    for report in sorted(reports, key=lambda report: report["seed"]):
        groups.setdefault(report["preset"], []).append(report)
    sizes = sorted(map(_size, groups.values()), key=lambda size: size.parameters)
    _refuse_unlike_runs(sizes)
    return sizes


def scores_table(sizes: Sequence[Size], scores: Mapping[str, Sequence[Estimate]], plan: Resampling) -> Table:
    first = sizes[0]
    header = ["", *(_named(size) for size in sizes), *(f"{size.preset} − {first.preset}" for size in sizes[1:])]  # noqa: RUF001
    rows = []
    for name, measure in MEASURES.items():
        changes = [_change(measure(size.found), measure(first.found), plan) for size in sizes[1:]]
        values = [estimate_cell(as_json(score), signed=name == GAIN) for score in scores[name]]
        rows.append([name, *values, *(estimate_cell(as_json(change), signed=True) for change in changes)])
    note = "Differences are paired: the same turns, tasks and seeds."
    return Table("What a size gives", header, rows, note)


def seconds_table(sizes: Sequence[Size]) -> Table:
    rows = [[stage, *(f"{_mean_seconds(size, stage):,.0f}" for size in sizes)] for stage in (*TRAINING, "total")]
    return Table("Seconds", ["", *map(_named, sizes)], rows, "Means over seeds; total is of all stages.")


def _size(runs: Sequence[Report]) -> Size:
    model = Model.model_validate(runs[0]["settings"]["model"])
    return Size(runs[0]["preset"], parameters(model).total, runs, pool([measurements_of(run) for run in runs]))


def refuse_unlike(settings: Sequence[Settings]) -> None:
    """Of presets or reports, one per size. Raises EvaluationError unless there are several, alike but for the model."""
    first = settings[0]
    counts = [parameters(Model.model_validate(each["model"])).total for each in settings]
    names = [each["name"] for each in settings]
    if len(set(counts)) < max(len(counts), 2):
        found = ", ".join(f"{name} ({count:,})" for name, count in zip(names, counts, strict=True))
        raise EvaluationError(f"expected two or more presets, each of another size, found {found} parameters")
    if len(set(names)) < len(names):
        raise EvaluationError(f"expected presets with a `name` each, found {', '.join(names)}")
    for other in settings[1:]:
        _refuse_other_sections(other, first, {"name", "model"})


def _refuse_other_sections(settings: Settings, first: Settings, free: set[str]) -> None:
    if others := sorted(name for name in settings if name not in free and settings[name] != first.get(name)):
        differing = ", ".join(others)
        raise EvaluationError(
            f"{settings['name']} and {first['name']} differ in {differing}: sizes may differ in their model only; "
            "let one preset extend the other, and run both again"
        )


def _refuse_unlike_runs(sizes: Sequence[Size]) -> None:
    refuse_unlike([size.runs[0]["settings"] for size in sizes])
    first = sizes[0]
    for size in sizes:
        seeds, wanted = ([run["seed"] for run in each.runs] for each in (size, first))
        if seeds != wanted:
            raise EvaluationError(f"{size.preset} has seeds {seeds} and {first.preset} {wanted}; run the same ones")
        for run in size.runs:
            _refuse_other_sections(run["settings"], size.runs[0]["settings"], set())


def _score(samples: Sequence[Sample], plan: Resampling) -> Estimate:
    return mean(samples[0], plan) if len(samples) == 1 else difference(samples[0], samples[1], plan)


def _change(larger: Sequence[Sample], smaller: Sequence[Sample], plan: Resampling) -> Estimate:
    if len(larger) == 1:
        return difference(larger[0], smaller[0], plan)
    return estimate(lambda a, b, c, d: (a - b) - (c - d), [*larger, *smaller], plan)


def _mean_seconds(size: Size, stage: str) -> float:
    return sum(run["seconds"][stage] for run in size.runs) / len(size.runs)


def _named(size: Size) -> str:
    return f"{size.preset}, {size.parameters / 1e6:.2f} M"


def _document(sizes: Sequence[Size], shown: Sequence[Table], picture: Path) -> str:
    seeds = [str(run["seed"]) for run in sizes[0].runs]
    with_seeds = f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"
    commits = ", ".join(sorted({run["commit"] for size in sizes for run in size.runs}))
    lead = f"Presets {', '.join(f'`{size.preset}`' for size in sizes)}, {with_seeds}, commit {commits}."
    lead += " Parameters are those of the preset, at its whole vocabulary. Values with 95 % intervals."
    limits = "## Limits\n\n" + "\n".join(f"- {limit}" for limit in LIMITS)
    head = "<!-- Written by `make sizes`; do not edit. -->\n# The loop at several sizes"
    image = f"![What a size gives]({picture.as_posix()})"
    return "\n\n".join([head, lead, image, *map(tables.to_markdown, shown), limits]) + "\n"
