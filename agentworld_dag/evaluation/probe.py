"""Fresh real episodes put to a champion: is the simulator still right, does its agent still succeed?

    python -m agentworld_dag.evaluation.probe --config infra/presets/tiny.yaml --seed 0 \
        --option first_episode=1000000000000 --input simulator=DIR [--input agent=DIR] \
        [--input previous_simulator=DIR] [--input previous_agent=DIR] --out DIR

The episodes are recorded now, by the policies that record training sessions
and under numbers no round uses. The simulator answers each turn with the truth
as context, and some episodes again on its own answers; the agent works on
fresh tasks in the real shell. The champions before, where they are given,
answer the same: paired, for the decision to roll back. Greedy throughout. What
follows from the numbers is `monitoring`'s business.
"""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.agents.rollout import Policy, Rollout, run_policy
from agentworld_dag.config import Preset
from agentworld_dag.environments.tasks import make_task
from agentworld_dag.environments.terminal import real_terminal
from agentworld_dag.errors import ConfigError, SandboxError
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.paired import Section, cluster_means, compared, lead
from agentworld_dag.evaluation.policy import refuse_mass_failure
from agentworld_dag.evaluation.simulator_answers import ONE_STEP, SELF_FED, one_step, self_fed
from agentworld_dag.monitoring.champion import AGENT, SCORES, WORLD_MODEL
from agentworld_dag.serving.opening import open_engine
from agentworld_dag.simulator.bundle import open_simulator
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories.collect import record_episodes
from agentworld_dag.trajectories.parquet import write_trajectories
from agentworld_dag.trajectories.schema import Trajectory

SIDES = ("champion", "previous")
FIRST_EPISODE = "first_episode"

Row = dict[str, Any]


def work(stage: Stage) -> dict[str, Any]:
    preset, first = stage.preset, first_episode(stage)
    plan = Resampling(preset.evaluation.bootstrap_samples, stage.seed)
    episodes = fresh_episodes(preset, first, preset.probe.episodes)
    stage.log(f"{len(episodes)} fresh episodes, {sum(len(episode.turns) for episode in episodes)} turns")
    answers, cut = _answers(stage, episodes)
    rollouts = _rollouts(stage, first)
    write_trajectories(stage.out / "episodes.parquet", episodes)
    answers.write_parquet(stage.out / "answers.parquet")
    (stage.out / SCORES).write_text(json.dumps(scores_by_domain(answers, SIDES[0], episodes)))
    found = {"fidelity": compared(answers.filter(regime=ONE_STEP), "exact", "trajectory_id", SIDES, plan)}
    found["self_fed_fidelity"] = compared(answers.filter(regime=SELF_FED), "exact", "trajectory_id", SIDES, plan)
    regressions = {WORLD_MODEL: _lead(answers.filter(regime=ONE_STEP), "exact", "trajectory_id")}
    if len(rollouts):
        found["agent_success"] = compared(rollouts, "success", "task_id", SIDES, plan)
        regressions[AGENT] = _lead(rollouts, "success", "task_id")
    asked = preset.probe.episodes
    counted: Row = {"episodes": len(episodes), "died_share": (asked - len(episodes)) / asked}
    counted |= {"environments": _environments(episodes), "context": cut}
    return found | counted | {"lead": regressions}


def fresh_episodes(preset: Preset, first: int, count: int) -> list[Trajectory]:
    """Real episodes `first` to `first + count - 1` that were answered to the end.

    Raises SandboxError when most were not.
    """
    recorded = asyncio.run(record_episodes(preset.collection, range(first, first + count)))
    usable = [e for e in recorded if e.turns and all(turn.observation is not None for turn in e.turns)]
    if 2 * len(usable) < count:
        raise SandboxError(
            f"{count - len(usable)} of {count} fresh sessions died, one with: {max(e.failure for e in recorded)}; most "
            "must live to the end. Free memory or processors on this machine and run again"
        )
    return usable


def scores_by_domain(answers: pl.DataFrame, side: str, episodes: Sequence[Trajectory]) -> dict[str, list[float]]:
    """Exact share of a side in each episode with the truth as context, by domain."""
    domains = {episode.id: episode.domain for episode in episodes}
    found: dict[str, list[float]] = {}
    for name, mean in cluster_means(answers.filter(regime=ONE_STEP), "exact", "trajectory_id", side).items():
        found.setdefault(domains[name], []).append(round(mean, 6))
    return found


def first_episode(stage: Stage) -> int:
    text = stage.options.get(FIRST_EPISODE, "")
    if not text.isdecimal():
        raise ConfigError(f"--option {FIRST_EPISODE}={text}: expected the number of the first episode to record")
    return int(text)


def agent_rollouts(stage: Stage, agent: Path, side: str, first: int) -> list[Rollout]:
    """Greedy rollouts of an agent on fresh tasks in the real shell."""
    preset = stage.preset
    tasks = [make_task("evaluation", first + number) for number in range(preset.probe.tasks)]
    with open_engine(agent / "checkpoint", stage.seed, preset.serving) as engine:
        policy = Policy(engine, AgentEncoder(engine.tokenizer), preset.agent, 0.0)
        rollouts = run_policy(policy, partial(real_terminal, preset.collection), tasks, stage.seed)
    stage.meter.count_tokens(engine.tokens)
    refuse_mass_failure(rollouts, f"the agent of side {side}")
    stage.log(f"agent, {side}: {sum(r.success for r in rollouts)} of {len(rollouts)} tasks solved")
    return rollouts


def agent_rows(side: str, rollouts: Sequence[Rollout]) -> list[Row]:
    """One row a task."""
    return [
        {"side": side, "task_id": r.task.id, "kind": r.task.kind, "success": r.success, "failed": bool(r.failure)}
        for r in rollouts
    ]


def _answers(stage: Stage, episodes: list[Trajectory]) -> tuple[pl.DataFrame, Row]:
    """The rows, and by side what outgrew its context."""
    rows: list[Row] = []
    cut: Row = {}
    for side, name in zip(SIDES, ("simulator", "previous_simulator"), strict=True):
        if name in stage.inputs:
            with open_simulator(stage.inputs[name], stage.seed, stage.preset.serving) as simulator:
                rows += one_step(simulator, side, episodes)
                rows += self_fed(simulator, side, episodes[: stage.preset.probe.free_running_episodes])
            stage.meter.count_tokens(simulator.engine.tokens)
            cut[side] = simulator.engine.window.counts
    return pl.DataFrame(rows, infer_schema_length=None), cut


def _rollouts(stage: Stage, first: int) -> pl.DataFrame:
    rows: list[Row] = []
    for side, name in zip(SIDES, ("agent", "previous_agent"), strict=True):
        if name in stage.inputs:
            rows += agent_rows(side, agent_rollouts(stage, stage.inputs[name], side, first))
    return pl.DataFrame(rows, infer_schema_length=None)


def _lead(rows: pl.DataFrame, score: str, cluster: str) -> Section:
    """By how much the champion is ahead of the one before it, cluster by cluster; empty without one."""
    mine, other = (cluster_means(rows, score, cluster, side) for side in SIDES)
    return lead([mine[name] - other[name] for name in mine]) if other else {}


def _environments(episodes: Sequence[Trajectory]) -> dict[str, int]:
    """Episodes by version of the environment that answered."""
    versions = [episode.provenance.environment_version for episode in episodes]
    return {version: versions.count(version) for version in sorted(set(versions))}


if __name__ == "__main__":
    run_stage(work)
