"""The recorded answers and rollouts behind every reported number, and the ways to select among them.

One `Measurements` holds one seed or several: each row carries its seed, and
`intervals` resamples seeds where there is more than one, so the report of a
run and the pooled study are the same code on different rows. Nothing is
scored here: rows arrive scored, and a failed row scores 0 (`intervals.scored`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from agentworld_dag.errors import StoreError
from agentworld_dag.evaluation.intervals import Sample, scored

CHECKPOINTS = ("cpt", "sft", "rl")
ARMS = ("base", "sim_rl", "real_rl", "real_rl_scarce", "warmup", "scratch")
SAMPLED, GREEDY = "sampled", "greedy"
CONTROL_PREFIX = "sampled@"
"""A decoding named `sampled@0.5` samples at that temperature: the control of a sampled claim."""

_TURN = {"trajectory_id": pl.String, "turn_index": pl.Int64, "failed": pl.Boolean}
_ROLLOUT = dict.fromkeys(("arm", "environment", "decoding", "task_id", "kind"), pl.String) | {
    "success": pl.Boolean,
    "steps": pl.Int64,
    "failed": pl.Boolean,
}
COLUMNS = {
    "fidelity": dict.fromkeys(("checkpoint", "mode", "decoding", "command"), pl.String)
    | _TURN
    | {"exact": pl.Boolean, "changed_f1": pl.Float64},
    "checks": dict.fromkeys(("checkpoint", "mode", "axis", "rule"), pl.String)
    | _TURN
    | {"horizon": pl.Int64, "correct": pl.Boolean},
    "judged": dict.fromkeys(("model", "mode", "judge"), pl.String) | _TURN | {"score": pl.Float64, "clean": pl.Boolean},
    "drift": dict.fromkeys(("mode", "regime"), pl.String) | _TURN | {"exact": pl.Boolean, "state_exact": pl.Boolean},
    "write_then_read": {"mode": pl.String, "horizon": pl.Int64, "correct": pl.Boolean, "trajectory_id": pl.String},
    "calibration": {"mode": pl.String}
    | _TURN
    | {"exact": pl.Boolean}
    | dict.fromkeys(("answer_probability", "token_probability", "agreement"), pl.Float64),
    "replays": {"mode": pl.String, "temperature": pl.Float64, "replay": pl.Int64}
    | _TURN
    | {"exact": pl.Boolean, "observation": pl.String},
    "error_path": dict.fromkeys(("mode", "action_class", "real_kind", "sim_kind"), pl.String)
    | _TURN
    | dict.fromkeys(("exact", "real_error", "sim_error"), pl.Boolean),
    "real": _ROLLOUT,
    "sim": _ROLLOUT | {"replay_success": pl.Boolean},
}

WRITTEN_BY = {
    "fidelity": ("fidelity_report", "samples.parquet"),
    "checks": ("fidelity_report", "checks.parquet"),
    "judged": ("judged_answers", "judged.parquet"),
    "drift": ("simulator_drift", "drift.parquet"),
    "write_then_read": ("simulator_drift", "write_then_read.parquet"),
    "calibration": ("simulator_reliability", "calibration.parquet"),
    "replays": ("simulator_reliability", "replays.parquet"),
    "error_path": ("simulator_reliability", "error_path.parquet"),
    "real": ("real_env_evaluation", "rollouts.parquet"),
    "sim": ("simulator_evaluation", "rollouts.parquet"),
}
"""Frame -> asset and the file in its folder."""


@dataclass(frozen=True)
class Measurements:
    """Rows of `COLUMNS`, each frame with a column `seed` beside."""

    fidelity: pl.DataFrame
    checks: pl.DataFrame
    """Rule checks, as every checkpoint answered them."""
    judged: pl.DataFrame
    """Strict scores, 0 to 100; a failed judgement holds the minimum."""
    drift: pl.DataFrame
    write_then_read: pl.DataFrame
    calibration: pl.DataFrame
    """Greedy answers to held-out turns with their confidence."""
    replays: pl.DataFrame
    """The same actions replayed free-running, several times."""
    error_path: pl.DataFrame
    """Recorded and planted actions with the real and the simulated outcome."""
    real: pl.DataFrame
    """Rollouts in the real shell."""
    sim: pl.DataFrame
    """Rollouts in the simulator; `replay_success` tells how the same actions ended in the real shell."""
    mode: str
    """How the simulator is used, `ledger` or `history`: the world model is judged in this mode."""


def sources(inputs: Mapping[str, Path]) -> dict[str, Path]:
    """The Parquet file behind each frame, where `inputs` names the asset that wrote it."""
    return {frame: inputs[asset] / file for frame, (asset, file) in WRITTEN_BY.items() if asset in inputs}


def load(files: Mapping[str, Path], seed: int, mode: str) -> Measurements:
    """Read one seed's measurements; a frame without a file stays empty, and what it holds not measured.

    Raises StoreError naming a file that is missing, damaged or lacks a column.
    """
    frames = {name: _marked(_rows(files.get(name), name), seed) for name in COLUMNS}
    return Measurements(**frames, mode=mode)


def pool(runs: Sequence[Measurements]) -> Measurements:
    """The rows of several seeds together."""
    frames = {name: pl.concat([getattr(run, name) for run in runs]) for name in COLUMNS}
    return Measurements(**frames, mode=runs[0].mode)


def native_mode(found: Measurements, checkpoint: str) -> str:
    """CPT has only ever seen plain history; later checkpoints are judged the way the simulator uses them."""
    return "history" if checkpoint == "cpt" else found.mode


def answers(found: Measurements, checkpoint: str, decoding: str, mode: str | None = None) -> pl.DataFrame:
    """Held-out turns as one checkpoint answered them, in its native mode unless told."""
    rows = found.fidelity.filter(checkpoint=checkpoint, decoding=decoding)
    return rows.filter(mode=mode or native_mode(found, checkpoint))


def fidelity(
    found: Measurements, checkpoint: str, decoding: str, metric: str = "exact", mode: str | None = None
) -> Sample:
    """Scores of one checkpoint, clustered by trajectory; empty where it was not measured."""
    return by_trajectory(answers(found, checkpoint, decoding, mode), metric)


def copied(found: Measurements, metric: str = "exact") -> Sample:
    """Scores of the copy baseline on the turns that the deployed mode is judged on."""
    rows = found.fidelity.filter(checkpoint="copy")
    modes = rows["mode"].unique().to_list()
    mode = found.mode if found.mode in modes else min(modes, default=found.mode)
    decodings = rows.filter(mode=mode)["decoding"].unique().to_list()
    return by_trajectory(rows.filter(mode=mode, decoding=min(decodings, default=GREEDY)), metric)


def drift(found: Measurements, mode: str, regime: str, turns: range | None = None, metric: str = "exact") -> Sample:
    """Scores along an episode; `turns` limits the turn indices. A null score means there was nothing to score."""
    rows = found.drift.filter(pl.col(metric).is_not_null(), mode=mode, regime=regime)
    if turns is not None:
        rows = rows.filter(pl.col("turn_index").is_between(turns.start, turns.stop, closed="left"))
    return by_trajectory(rows, metric)


def success(found: Measurements, arm: str, decoding: str, environment: str = "real", metric: str = "success") -> Sample:
    """Successes of one arm, clustered by task; empty where it was not measured."""
    rows = found.real if environment == "real" else found.sim
    return by_task(rows.filter(arm=arm, decoding=decoding), metric)


def controls(rows: pl.DataFrame) -> list[str]:
    """Decodings that sample at a lower temperature, coldest first."""
    names = rows.filter(pl.col("decoding").str.starts_with(CONTROL_PREFIX))["decoding"].unique().to_list()
    return sorted(names, key=lambda name: float(name.removeprefix(CONTROL_PREFIX)))


def by_trajectory(rows: pl.DataFrame, metric: str) -> Sample:
    return scored(rows, metric, "trajectory_id")


def by_task(rows: pl.DataFrame, metric: str) -> Sample:
    return scored(rows, metric, "task_id")


def read(path: Path, frame: str) -> pl.DataFrame:
    """The rows of one file with the columns of `frame`. Raises StoreError naming the file and the remedy."""
    columns = COLUMNS[frame]
    try:
        return pl.read_parquet(path).select([pl.col(name).cast(kind) for name, kind in columns.items()])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            f"cannot use {path}: {error}; expected Parquet with the columns {', '.join(columns)}. "
            "Delete its folder and run the stage that makes it again"
        ) from error


def _rows(path: Path | None, frame: str) -> pl.DataFrame:
    return pl.DataFrame(schema=COLUMNS[frame]) if path is None else read(path, frame)


def _marked(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    rows = rows if "failed" in rows.columns else rows.with_columns(failed=pl.lit(False))
    return rows.with_columns(seed=pl.lit(seed, pl.Int64))
