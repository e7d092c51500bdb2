"""A new agent beside the champion agent: success on the same fresh tasks in the real shell.

    python -m agentworld_dag.evaluation.policy_comparison --config infra/presets/tiny.yaml --round round-0002 --seed 0 \
        --input agent_sim_rl=DIR [--input champion_agent=DIR] --out DIR

Greedy, on `probe.tasks` tasks that no round and no probe uses. The starting
point of practice, given as `agent_base`, stands beside both: what practice in
this round's simulator was worth.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from agentworld_dag.agents.rollout import Rollout
from agentworld_dag.evaluation.comparison import COMPARISON, FIRST_EPISODE, SIDES
from agentworld_dag.evaluation.comparison_plot import draw_comparison
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.paired import compared
from agentworld_dag.evaluation.policy import transcript
from agentworld_dag.evaluation.probe import agent_rollouts, agent_rows
from agentworld_dag.rounds import EPISODES_PER_ROUND, number_of
from agentworld_dag.stage import Stage, run_stage

BASE = "base"
INPUTS = {SIDES[0]: "agent_sim_rl", SIDES[1]: "champion_agent", BASE: "agent_base"}
EPISODES = "episodes.md"
SHOWN_TASKS = 8

Rollouts = Mapping[str, Sequence[Rollout]]
"""By side, on the same tasks in the same order."""


def work(stage: Stage) -> dict[str, Any]:
    first = FIRST_EPISODE + EPISODES_PER_ROUND * number_of(stage.round_name)
    rollouts = {
        side: agent_rollouts(stage, stage.inputs[name], side, first)
        for side, name in INPUTS.items()
        if name in stage.inputs
    }
    rows = pl.DataFrame([row for side in rollouts for row in agent_rows(side, rollouts[side])])
    rows.write_parquet(stage.out / "rollouts.parquet")
    plan = Resampling(stage.preset.evaluation.bootstrap_samples, stage.seed)
    found = {
        "success": compared(rows, "success", "task_id", SIDES, plan),
        "against_base": compared(rows, "success", "task_id", (SIDES[0], BASE), plan),
    }
    (stage.out / COMPARISON).write_text(json.dumps(found, indent=1))
    (stage.out / EPISODES).write_text("\n".join(episodes(rollouts)))
    arms = {side: shares for section in found.values() for side, shares in section.items()}
    draw_comparison({"fresh real tasks": {"success": arms}}, stage.out / "comparison.png", "success", "tasks solved")
    return found


def episodes(rollouts: Rollouts) -> list[str]:
    """What candidate and other side did on the same tasks, to be read: tasks only the other solved, then only mine."""
    mine = rollouts[SIDES[0]]
    other = next((side for side in (SIDES[1], BASE) if side in rollouts), SIDES[0])
    lead = [one.success - two.success for one, two in zip(mine, rollouts[other], strict=True)]
    ordered = sorted(range(len(mine)), key=lambda task: lead[task])
    chosen = dict.fromkeys([*ordered[: SHOWN_TASKS // 2], *ordered[-(SHOWN_TASKS // 2) :]])
    return [transcript(side, rollouts[side][task]) for task in chosen for side in dict.fromkeys((SIDES[0], other))]


if __name__ == "__main__":
    run_stage(work)
