"""Several seeds of the whole loop pooled into `docs/results.md`: `make study`.

The report of each seed names the recorded rows it was made from. The rows are
pooled and every number is computed anew from them, with seeds as the upper
level of the bootstrap. Seeds must share their preset: a study of unlike runs is
refused. Pictures go to `images/` beside the document.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentworld_dag.artifacts import write_text
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation import benchmark_plots, benchmark_tables, plots, reliability_tables, tables
from agentworld_dag.evaluation.accounts import Account, Accounts, average
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.measurements import ARMS, CHECKPOINTS, Measurements, load, pool
from agentworld_dag.evaluation.summary import summarise
from agentworld_dag.evaluation.tables import NAMES, Table, estimate_cell
from agentworld_dag.evaluation.transfer import compare

Report = Mapping[str, Any]

LIMITS = (
    "Seeds share the recorded sessions, the held-out turns and the tasks; they differ in training and sampling.",
    "Intervals draw seeds and, crossed with them, trajectories or tasks. In simulation they hold the truth 93 to 97 "
    "times in 100 while trainings differ by 5 points or less (standard deviation); three seeds that differ by 10 "
    "points, 82 times. Read the columns per seed beside them.",
    "Claims are decided at 95 % each, uncorrected for their number.",
    "One domain and small models trained from scratch: nothing here speaks for models of the paper's size.",
)


def study(reports: Sequence[Report], out: Path) -> dict[str, Any]:
    """Write the document and its pictures; returns the pooled numbers in the shape of `report.json`."""
    runs = sorted(reports, key=lambda report: report["seed"])
    _refuse_unlike(runs)
    pooled = pool_reports(runs)
    images = draw(pooled, runs, out.parent / "images")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, document(pooled, runs, [image.relative_to(out.parent) for image in images]))
    return pooled


def pool_reports(runs: Sequence[Report]) -> dict[str, Any]:
    """The numbers of all seeds together, computed from their recorded rows."""
    found = pool([measurements_of(run) for run in runs])
    accounts = average([_accounts(run) for run in runs])
    plan = Resampling(runs[0]["settings"]["evaluation"]["bootstrap_samples"], runs[0]["seed"])
    return summarise(found, accounts, compare(found, accounts, plan), plan)


def measurements_of(run: Report) -> Measurements:
    """The recorded rows behind a report."""
    files = {name: Path(path) for name, path in run["sources"].items()}
    return load(files, run["seed"], run["settings"]["simulator"]["mode"])


def document(pooled: Report, runs: Sequence[Report], images: Sequence[Path]) -> str:
    """The study as Markdown."""
    seeds = ", ".join(str(run["seed"]) for run in runs)
    commits = ", ".join(sorted({run["commit"] for run in runs}))
    held = sum(claim["holds"] == "yes" for claim in pooled["claims"])
    lead = (
        f"Preset `{runs[0]['preset']}`, seeds {seeds}, commit {commits}. Values with 95 % intervals; a column per seed "
        f"and the seeds pooled. {held} of {len(pooled['claims'])} claims hold."
    )
    pictures = [f"![{image.stem}]({image.as_posix()})" for image in images]
    first = [claims_table(pooled, runs), scores_table(pooled, runs)]
    further = [
        tables.differences_table(pooled),
        tables.transfer_table(pooled),
        tables.drift_table(pooled),
        benchmark_tables.leaderboard_table(pooled["leaderboard"]),
        benchmark_tables.checks_table(pooled),
        benchmark_tables.trial_table(runs[0]["judge_trial"]),
        *reliability_tables.all_tables(pooled),
        tables.kinds_table(pooled, "sampled"),
        tables.accounts_table(pooled),
        seconds_table(runs),
    ]
    shown = [*map(tables.to_markdown, first), *pictures, *map(tables.to_markdown, further)]
    limits = "## Limits\n\n" + "\n".join(f"- {limit}" for limit in LIMITS)
    head = "<!-- Written by `make study`; do not edit. -->\n# Results"
    return "\n\n".join([head, lead, *shown, limits]) + "\n"


def claims_table(pooled: Report, runs: Sequence[Report]) -> Table:
    by_seed = [{claim["id"]: claim["holds"] for claim in run["claims"]} for run in runs]
    rows = [
        [claim["holds"], claim["claim"], claim["evidence"], " ".join(seed[claim["id"]] for seed in by_seed)]
        for claim in pooled["claims"]
    ]
    return Table("Claims", ["holds", "claim", "evidence, seeds pooled", "per seed"], rows)


def scores_table(pooled: Report, runs: Sequence[Report]) -> Table:
    """Every headline number, a column per seed and the pooled interval."""
    columns = [_scores(run) for run in runs]
    rows = [
        [name, *(_point(column[name]) for column in columns), estimate_cell(found)]
        for name, found in _scores(pooled).items()
    ]
    return Table("Scores", ["", *(f"seed {run['seed']}" for run in runs), "pooled"], rows)


def seconds_table(runs: Sequence[Report]) -> Table:
    stages = runs[0]["seconds"]
    rows = [[stage, *(_seconds(run, stage) for run in runs)] for stage in stages]
    return Table("Seconds", ["stage", *(f"seed {run['seed']}" for run in runs)], rows, tables.SECONDS_NOTE)


def draw(pooled: Report, runs: Sequence[Report], folder: Path) -> list[Path]:
    """The pictures as PNG; dots are the seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "fidelity": plots.fidelity_figure(pooled, runs),
        "drift": plots.drift_figure(pooled),
        "reliability": plots.reliability_figure(pooled),
        "agent": plots.agent_figure(pooled, runs),
        "leaderboard": benchmark_plots.leaderboard_figure(pooled["leaderboard"]),
    }
    for name, figure in figures.items():
        plots.save_png(figure, folder / f"{name}.png")
    return [folder / f"{name}.png" for name in figures]


def _refuse_unlike(runs: Sequence[Report]) -> None:
    seeds = [run["seed"] for run in runs]
    if len(set(seeds)) < 2 or len(set(seeds)) < len(seeds):
        raise EvaluationError(f"seeds {seeds}: a study needs two or more different ones; pass one report per seed")
    unlike = [run["seed"] for run in runs if run["settings"] != runs[0]["settings"]]
    if unlike:
        raise EvaluationError(
            f"seeds {unlike} ran with other settings than seed {seeds[0]}; run them again with one preset"
        )


def _accounts(run: Report) -> Accounts:
    found = run["accounts"]
    own = Account.__dataclass_fields__
    arms = {arm: Account(**{key: spent[key] for key in own}) for arm, spent in found["arms"].items()}
    return Accounts(arms, found["recorded_steps"], found["world_model_s"], found["rl_s"])


def _scores(report: Report) -> dict[str, Report]:
    stages = {"greedy_em": "exact, greedy", "sampled_em": "exact, sampled", "changed_f1": "changed-part F1"}
    solved = {f"real_success_{d}": f"solved, {d}" for d in ("sampled", "greedy")}
    fidelity = {f"{NAMES[c]}: {text}": report["fidelity"][c][key] for c in CHECKPOINTS for key, text in stages.items()}
    agent = {f"{NAMES[arm]}: {text}": report["agent"][arm][key] for arm in ARMS for key, text in solved.items()}
    return {f"{NAMES['copy']}: exact": report["fidelity"]["copy_baseline"], **fidelity, **agent}


def _point(found: Report) -> str:
    return tables.NOT_MEASURED if found["value"] is None else f"{found['value']:.3f}"


def _seconds(run: Report, stage: str) -> str:
    return f"{run['seconds'][stage]:,.1f}" if stage in run["seconds"] else tables.NOT_MEASURED
