"""Made-up results of a finished round, written where the evaluation stages would have left them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from agentworld_dag.evaluation.measurements import ARMS

TRAJECTORIES, TURNS, TASKS = 40, 4, 48
KINDS = ("write", "find", "move")
SIDES = ("real", "sim")
EXACT: dict[tuple[str, str, str], float] = {
    ("copy", "history", "greedy"): 0.1,
    ("cpt", "history", "greedy"): 0.4,
    ("cpt", "history", "sampled"): 0.3,
    ("sft", "ledger", "greedy"): 0.8,
    ("sft", "ledger", "sampled"): 0.6,
    ("sft", "ledger", "sampled@0.5"): 0.75,
    ("rl", "ledger", "greedy"): 0.8,
    ("rl", "ledger", "sampled"): 0.78,
}
SOLVED: dict[tuple[str, str], float] = {
    ("base", "sampled"): 0.3,
    ("base", "greedy"): 0.5,
    ("base", "sampled@0.5"): 0.45,
    **{("sim_rl", decoding): 0.75 for decoding in ("sampled", "greedy")},
    **{("real_rl", decoding): 0.75 for decoding in ("sampled", "greedy")},
    **{("real_rl_scarce", decoding): 0.4 for decoding in ("sampled", "greedy")},
    **{("warmup", decoding): 0.7 for decoding in ("sampled", "greedy")},
    **{("scratch", decoding): 0.1 for decoding in ("sampled", "greedy")},
}
REAL_STEPS = {"raw_trajectories": 6000, "agent_demonstrations": 100, "agent_real_rl": 2500, "agent_real_rl_scarce": 300}
SECONDS = {"raw_trajectories": 30.0, "world_model_sft": 60.0, "agent_sim_rl": 20.0, "agent_real_rl": 10.0}
UPSTREAM: dict[str, tuple[str, ...]] = {
    "raw_trajectories": (),
    "clean_trajectories": ("raw_trajectories",),
    "trajectory_splits": ("clean_trajectories",),
    "base_model": ("trajectory_splits",),
    "world_model_cpt": ("base_model", "trajectory_splits"),
    "world_model_sft": ("world_model_cpt", "trajectory_splits"),
    "world_model_rl": ("world_model_sft", "trajectory_splits"),
    "simulator": ("world_model_rl", "trajectory_splits"),
    "agent_demonstrations": (),
    "agent_base": ("world_model_sft", "agent_demonstrations"),
    "agent_warmup": ("world_model_rl", "agent_demonstrations"),
    "agent_scratch": ("base_model", "agent_demonstrations"),
    "agent_sim_rl": ("agent_base", "simulator"),
    "agent_real_rl": ("agent_base",),
    "agent_real_rl_scarce": ("agent_base",),
    "simulator_drift": ("world_model_rl", "trajectory_splits"),
    "simulator_reliability": ("world_model_rl", "trajectory_splits"),
    "sft_answers": ("world_model_sft", "trajectory_splits"),
    "heldout_benchmark": ("trajectory_splits",),
    "judge_trial": ("heldout_benchmark",),
    "judged_answers": ("sft_answers", "judge_trial"),
    "fidelity_report": ("sft_answers", "simulator_drift"),
    "real_env_evaluation": tuple(f"agent_{arm}" for arm in ARMS),
    "simulator_evaluation": ("agent_base", "agent_sim_rl", "simulator"),
}
TRIAL = {
    "judge": "rules",
    "verdicts": [{"name": "praise_earns_nothing", "holds": True, "evidence": "+0.00 [+0.00, +0.00], n = 80"}],
}
ROLES = {
    ("agent_base", "world_model_sft"): "start",
    ("agent_warmup", "world_model_rl"): "start",
    ("agent_scratch", "base_model"): "start",
}
"""Input names other than the asset's, as the recipes give them."""


def write_round(
    root: Path,
    seed: int = 0,
    exact: Mapping[tuple[str, str, str], float] = EXACT,
    solved: Mapping[tuple[str, str], float] = SOLVED,
    real_steps: Mapping[str, int] = REAL_STEPS,
) -> dict[str, Path]:
    """Folders by asset name. `exact` and `solved` are the chances of a right answer and of a solved task."""
    rng = np.random.default_rng(seed)
    folders = {name: root / "lake" / name / "round-0001" / f"seed{seed}" for name in UPSTREAM}
    for name in UPSTREAM:
        _write_result(name, folders, real_steps)
    answers(rng, exact).write_parquet(folders["fidelity_report"] / "samples.parquet")
    drift(rng).write_parquet(folders["simulator_drift"] / "drift.parquet")
    write_then_read(rng).write_parquet(folders["simulator_drift"] / "write_then_read.parquet")
    checks(np.random.default_rng(seed)).write_parquet(folders["fidelity_report"] / "checks.parquet")
    judged(np.random.default_rng(seed)).write_parquet(folders["judged_answers"] / "judged.parquet")
    (folders["judge_trial"] / "trial.json").write_text(json.dumps(TRIAL))
    for name, rows in (("calibration", calibration), ("replays", replays), ("error_path", error_path)):
        rows(np.random.default_rng(seed)).write_parquet(folders["simulator_reliability"] / f"{name}.parquet")
    rollouts(rng, "real", solved).write_parquet(folders["real_env_evaluation"] / "rollouts.parquet")
    rollouts(rng, "sim", solved).write_parquet(folders["simulator_evaluation"] / "rollouts.parquet")
    return folders


def answers(rng: np.random.Generator, exact: Mapping[tuple[str, str, str], float]) -> pl.DataFrame:
    luck = rng.random((TRAJECTORIES, TURNS))
    rows = [
        {
            "checkpoint": checkpoint,
            "mode": mode,
            "decoding": decoding,
            "trajectory_id": f"trajectory-{trajectory}",
            "turn_index": turn,
            "command": "cat" if turn % 2 else "ls",
            "exact": bool(luck[trajectory, turn] < chance),
            "changed_f1": float(luck[trajectory, turn] < chance),
            "failed": False,
        }
        for (checkpoint, mode, decoding), chance in exact.items()
        for trajectory in range(TRAJECTORIES)
        for turn in range(TURNS)
    ]
    return pl.DataFrame(rows)


def drift(rng: np.random.Generator) -> pl.DataFrame:
    """The ledger starts at 0.95 and loses 0.05 a turn on its own answers; history starts at 0.6 and loses 0.15."""
    rows = [
        {
            "mode": mode,
            "regime": regime,
            "trajectory_id": f"trajectory-{trajectory}",
            "turn_index": turn,
            "exact": bool(rng.random() < start - (loss * turn if regime == "free_running" else 0)),
            "state_exact": bool(rng.random() < 0.9) if regime == "free_running" else None,
            "failed": False,
        }
        for mode, start, loss in (("ledger", 0.95, 0.05), ("history", 0.6, 0.15))
        for regime in ("teacher_forced", "free_running")
        for trajectory in range(TRAJECTORIES)
        for turn in range(TURNS)
    ]
    return pl.DataFrame(rows, schema_overrides={"state_exact": pl.Boolean})


def write_then_read(rng: np.random.Generator) -> pl.DataFrame:
    rows = [
        {"mode": mode, "horizon": horizon, "correct": bool(rng.random() < 0.8), "trajectory_id": f"trajectory-{t}"}
        for mode in ("ledger", "history")
        for horizon in (1, 2)
        for t in range(TRAJECTORIES)
    ]
    return pl.DataFrame(rows)


def checks(rng: np.random.Generator) -> pl.DataFrame:
    rows = [
        {
            "checkpoint": checkpoint,
            "mode": mode,
            "axis": axis,
            "rule": "written",
            "horizon": 1 + t % 7 if axis == "consistency" else None,
            "trajectory_id": f"trajectory-{t}",
            "turn_index": 1,
            "correct": bool(rng.random() < chance),
            "failed": False,
        }
        for checkpoint, mode, chance in (("copy", "history", 0.1), ("sft", "ledger", 0.8), ("rl", "ledger", 0.8))
        for axis in ("controllability", "error", "consistency")
        for t in range(TRAJECTORIES)
    ]
    return pl.DataFrame(rows, schema_overrides={"horizon": pl.Int64})


def judged(rng: np.random.Generator) -> pl.DataFrame:
    rows = [
        {
            "model": model,
            "mode": mode,
            "judge": "rules",
            "trajectory_id": f"trajectory-{t}",
            "turn_index": 1,
            "score": float(100 * (rng.random() < chance)),
            "clean": t % 2 == 0,
            "failed": False,
        }
        for model, mode, chance in (("copy", "history", 0.1), ("sft", "ledger", 0.8), ("rl", "ledger", 0.9))
        for t in range(TRAJECTORIES)
    ]
    return pl.DataFrame(rows)


def calibration(rng: np.random.Generator) -> pl.DataFrame:
    """Confidence is the chance of being right, between 0.5 and 1, and the model agrees with itself as often."""
    rows = [
        {
            "mode": mode,
            "trajectory_id": f"trajectory-{trajectory}",
            "turn_index": turn,
            "exact": bool(rng.random() < chance),
            "failed": False,
            "answer_probability": chance,
            "token_probability": chance**0.1,
            "agreement": round(4 * chance) / 4,
        }
        for mode in ("ledger", "history")
        for trajectory in range(TRAJECTORIES)
        for turn, chance in enumerate(0.5 + rng.random(TURNS) / 2)
    ]
    return pl.DataFrame(rows)


def replays(rng: np.random.Generator) -> pl.DataFrame:
    """The same in every replay at temperature 0; at temperature 1 each turn is right four times in five."""
    rows = [
        {
            "mode": mode,
            "temperature": temperature,
            "replay": replay,
            "trajectory_id": f"trajectory-{trajectory}",
            "turn_index": turn,
            "exact": (right := trajectory % 2 == 0 if temperature == 0 else bool(rng.random() < 0.8)),
            "failed": False,
            "observation": "right" if right else "wrong",
        }
        for mode in ("ledger", "history")
        for temperature in (0.0, 1.0)
        for trajectory in range(TRAJECTORIES)
        for replay in range(3)
        for turn in range(TURNS)
    ]
    return pl.DataFrame(rows)


def error_path(rng: np.random.Generator) -> pl.DataFrame:
    """Recorded errors are reported nine times in ten, planted ones every other time; what succeeds succeeds."""
    classes = {"recorded_ok": 0.0, "recorded_error": 0.9, "malformed": 0.5, "empty": 0.0, "illegal": 0.5}
    rows = [
        {
            "mode": mode,
            "action_class": name,
            "trajectory_id": f"trajectory-{trajectory}",
            "turn_index": turn,
            "failed": False,
            "real_error": name not in ("recorded_ok", "empty"),
            "sim_error": bool(rng.random() < chance),
        }
        for mode in ("ledger", "history")
        for turn, (name, chance) in enumerate(classes.items())
        for trajectory in range(TRAJECTORIES)
    ]
    kinds = {f"{side}_kind": pl.when(f"{side}_error").then(pl.lit("usage")).otherwise(pl.lit("none")) for side in SIDES}
    return pl.DataFrame(rows).with_columns(exact=pl.col("real_error") == pl.col("sim_error"), **kinds)


def rollouts(rng: np.random.Generator, environment: str, solved: Mapping[tuple[str, str], float]) -> pl.DataFrame:
    arms = {key: chance for key, chance in solved.items() if environment == "real" or _simulated(key)}
    rows = [_rollout(rng, environment, key, chance, task) for key, chance in arms.items() for task in range(TASKS)]
    return pl.DataFrame(rows, schema_overrides={"replay_success": pl.Boolean})


def _simulated(key: tuple[str, str]) -> bool:
    arm, decoding = key
    return arm in ("base", "sim_rl") and "@" not in decoding


def _rollout(
    rng: np.random.Generator, environment: str, key: tuple[str, str], chance: float, task: int
) -> dict[str, Any]:
    success = bool(rng.random() < chance)
    return {
        "arm": key[0],
        "environment": environment,
        "decoding": key[1],
        "task_id": f"task-{task}",
        "kind": KINDS[task % len(KINDS)],
        "success": success,
        "steps": 2,
        "actions": ["ls", "cat memo"],
        "failed": False,
        "replay_success": success if environment == "sim" else None,
    }


def _write_result(name: str, folders: Mapping[str, Path], real_steps: Mapping[str, int]) -> None:
    started = 1000.0 + 100 * list(UPSTREAM).index(name)
    inputs = {ROLES.get((name, up), up): str(folders[up]) for up in UPSTREAM[name]}
    result = {
        "metrics": {"real_steps": real_steps[name]} if name in real_steps else {"turns": 1},
        "timing": {
            "process_started_at": started,
            "work_started_at": started + 2,
            "finished_at": started + SECONDS.get(name, 5.0),
        },
        "inputs": inputs,
    }
    folders[name].mkdir(parents=True)
    (folders[name] / "result.json").write_text(json.dumps(result))
