"""A new agent beside the champion agent: success on the same fresh tasks in the real shell.

    python -m agentworld_dag.evaluation.policy_comparison --config infra/presets/tiny.yaml --round round-0002 --seed 0 \
        --input agent_sim_rl=DIR [--input champion_agent=DIR] --out DIR

Greedy, on `probe.tasks` tasks that no round and no probe uses. The starting
point of practice, given as `agent_base`, stands beside both: what practice in
this round's simulator was worth.
"""

import json
from typing import Any

import polars as pl

from agentworld_dag.evaluation.comparison import COMPARISON, FIRST_EPISODE, SIDES
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.paired import compared
from agentworld_dag.evaluation.probe import agent_rows
from agentworld_dag.rounds import EPISODES_PER_ROUND, number_of
from agentworld_dag.stage import Stage, run_stage

BASE = "base"
INPUTS = {SIDES[0]: "agent_sim_rl", SIDES[1]: "champion_agent", BASE: "agent_base"}


def work(stage: Stage) -> dict[str, Any]:
    first = FIRST_EPISODE + EPISODES_PER_ROUND * number_of(stage.round_name)
    rows: list[dict[str, Any]] = []
    for side, name in INPUTS.items():
        if name in stage.inputs:
            rows += agent_rows(stage, stage.inputs[name], side, first)
    rollouts = pl.DataFrame(rows, infer_schema_length=None)
    rollouts.write_parquet(stage.out / "rollouts.parquet")
    plan = Resampling(stage.preset.evaluation.bootstrap_samples, stage.seed)
    found = {
        "success": compared(rollouts, "success", "task_id", SIDES, plan),
        "against_base": compared(rollouts, "success", "task_id", (SIDES[0], BASE), plan),
    }
    (stage.out / COMPARISON).write_text(json.dumps(found, indent=1))
    return found


if __name__ == "__main__":
    run_stage(work)
