"""The report of one round: `report.json` for programs, `report.md` and `report.html` for people.

    python -m agentworld_dag.evaluation.report --config infra/presets/tiny.yaml --seed 0 --out DIR \
        --input fidelity_report=DIR --input judged_answers=DIR --input judge_trial=DIR \
        --input simulator_drift=DIR --input simulator_reliability=DIR \
        --input real_env_evaluation=DIR --input simulator_evaluation=DIR --input transfer_report=DIR

Everything is computed from the rows the evaluation stages recorded; their
paths are kept in `report.json`, so that a study can pool them over seeds. The
seconds are those of the stages behind the report: its own are not among them.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentworld_dag.artifacts import write_json, write_text
from agentworld_dag.config import UNMEASURED, Preset
from agentworld_dag.errors import StoreError
from agentworld_dag.evaluation import benchmark_tables, reliability_tables, tables
from agentworld_dag.evaluation.accounts import lineage, open_accounts, seconds
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.measurements import ARMS, CHECKPOINTS, load, sources
from agentworld_dag.evaluation.page import page
from agentworld_dag.evaluation.summary import summarise
from agentworld_dag.stage import Stage, run_stage

FILES = ("report.json", "report.md", "report.html")


def work(stage: Stage) -> dict[str, Any]:
    """Write the report; the metrics are its headline."""
    report = build(stage)
    limits = limits_of(report)
    write_json(stage.out / "report.json", report)
    write_text(stage.out / "report.md", markdown(report, limits))
    write_text(stage.out / "report.html", page(report, limits))
    return headline(report)


def build(stage: Stage) -> dict[str, Any]:
    """The content of `report.json`."""
    files = sources(stage.inputs)
    results = lineage(stage.inputs)
    found = load(files, stage.seed, stage.preset.simulator.mode)
    accounts = open_accounts(results, stage.preset.splits.start)
    plan = Resampling(stage.preset.evaluation.bootstrap_samples, stage.seed)
    return {
        "round": stage.out.absolute().parent.name,
        "preset": stage.preset.name,
        "seed": stage.seed,
        "commit": commit(),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **spent(results),
        **summarise(found, accounts, read_transfer(stage.inputs["transfer_report"]), plan),
        "judge_trial": _read_json(stage.inputs["judge_trial"] / benchmark_tables.TRIAL),
        "sources": {name: str(path.absolute()) for name, path in files.items()},
        "settings": settings(stage.preset),
    }


def settings(preset: Preset) -> dict[str, Any]:
    """Those that a number of the report may depend on."""
    return preset.model_dump(mode="json", exclude=set(UNMEASURED))


def headline(report: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that are worth a curve over rounds: values alone, their intervals are in the report."""
    verdicts = [claim["holds"] for claim in report["claims"]]
    scores = ("greedy_em", "sampled_em", "changed_f1")
    solved = ("real_success_sampled", "real_success_greedy")
    worlds = ("sim_success", "real_success", "gap", "exploit_rate")
    reliability, mode = report["reliability"], report["drift"]["mode"]
    return {
        "seconds": report["seconds"]["total"],
        "failed_calls": report["failed"]["total"]["failed"],
        "claims": {verdict: verdicts.count(verdict) for verdict in ("yes", "no", "undecided")},
        "fidelity": {c: {key: report["fidelity"][c][key]["value"] for key in scores} for c in CHECKPOINTS},
        "optimism": reliability["error_path"][mode]["recorded"]["optimism"]["value"],
        "agreement_auroc": reliability["calibration"][mode]["agreement"]["auroc"]["value"],
        "agent": {arm: {key: report["agent"][arm][key]["value"] for key in solved} for arm in ARMS},
        "transfer": {key: report["transfer"][key]["value"] for key in worlds},
    }


def spent(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Wall seconds per stage, in the order they finished, and how much of them was process start-up."""
    order = sorted(results, key=lambda name: results[name]["timing"]["finished_at"])
    by_stage = {name: seconds(results[name]) for name in order}
    start_up = {name: _start_up(results[name]["timing"]) for name in order}
    return {
        "seconds": by_stage | {"total": sum(by_stage.values())},
        "start_up_seconds": start_up | {"total": sum(start_up.values())},
    }


def limits_of(report: Mapping[str, Any]) -> list[str]:
    """What the numbers do not say, in words."""
    settings, failed = report["settings"], report["failed"]["total"]
    mode, trust = settings["simulator"]["mode"], settings["evaluation"]["reliability"]
    judge = settings["world_model_rl"]["judge_url"] or "the embedded rule judge, which compares with the recorded truth"
    return [
        "One domain, a terminal, and small models: nothing here speaks for models of the paper's size.",
        f"The rubric judge in world-model RL was {judge}.",
        f"CPT is judged on plain history, the only thing it has read; SFT and RL are judged with the {mode}. "
        f"Part of the step from CPT to SFT is therefore the {mode}.",
        "Intervals of one seed cover the choice of trajectories and tasks, not a second training: `make study` does.",
        f"{len(report['claims'])} claims are decided at 95 % each, uncorrected: about one in twenty may be wrong.",
        "Real steps charge all recorded sessions to the world model, held-out ones included, and no step to measuring.",
        f"Confidence is measured on {trust['turns']} turns, luck on {trust['replay_episodes']} episodes and planted "
        f"errors in {trust['planted_turns']} states: enough to see a large effect, not a small one.",
        f"{failed['failed']} of {failed['of']:,} calls failed; each scored 0.",
    ]


def markdown(report: Mapping[str, Any], limits: list[str]) -> str:
    """The report as Markdown, tables first."""
    shown = [
        tables.fidelity_table(report),
        tables.agent_table(report),
        tables.claims_table(report),
        tables.transfer_table(report),
        tables.differences_table(report),
        tables.drift_table(report),
        benchmark_tables.leaderboard_table(report["leaderboard"]),
        benchmark_tables.checks_table(report),
        benchmark_tables.trial_table(report["judge_trial"]),
        *reliability_tables.all_tables(report),
        tables.kinds_table(report, "sampled"),
        tables.commands_table(report),
        tables.accounts_table(report),
        tables.seconds_table(report),
    ]
    title = f"# AgentWorld {report['round']}: preset {report['preset']}, seed {report['seed']}"
    lead = f"{report['created_at']}, commit {report['commit']}. Values with 95 % intervals."
    closing = "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits)
    return "\n\n".join([title, lead, *map(tables.to_markdown, shown), closing]) + "\n"


def publish(out: Path, reports_dir: Path, seed: int) -> Path:
    """Copy a report to where people look: the latest under its plain names, and each seed's in `seed-N/`.

    Returns the path of the latest HTML page.
    """
    for folder in (reports_dir / f"seed-{seed}", reports_dir):
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            write_text(folder / name, (out / name).read_text())
    return reports_dir / "report.html"


def read_report(folder: Path) -> dict[str, Any]:
    """A report by the folder it lies in. Raises StoreError when there is none that can be read."""
    return _read_json(folder / "report.json")


def read_transfer(folder: Path) -> dict[str, Any]:
    return _read_json(folder / "transfer.json")


def commit() -> str:
    """The commit of this checkout, `unknown` outside one."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    asked = [git, "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {path} ({error}); run the stage that makes it again") from error


def _start_up(timing: Mapping[str, float]) -> float:
    return timing["work_started_at"] - timing["process_started_at"]


if __name__ == "__main__":
    run_stage(work)
