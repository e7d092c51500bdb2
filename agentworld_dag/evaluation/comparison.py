"""A new world model beside the champion it started from, on real sessions that neither was trained on.

    python -m agentworld_dag.evaluation.comparison --config infra/presets/tiny.yaml --round round-0002 --seed 0 \
        --input simulator=DIR --input round_plan=DIR --input trajectory_splits=DIR --out DIR

Both answer the same turns of three sets, so every difference is paired:
`fresh`, recorded now in the environment as it is; `held_out`, of this round;
`earlier`, held out by the rounds before; of the last two no more sessions than
a probe has. A model that follows a changed environment gets worse on
`earlier`, and a reviewer should see by how much. The first round has no
champion; its model stands beside copying the last observation. What the
candidate is right in on `fresh` becomes its reference, should it be promoted
(`monitoring.watch`).
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import polars as pl

from agentworld_dag.environments.terminal import FIRST_OBSERVATION
from agentworld_dag.evaluation.comparison_plot import draw_comparison
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.paired import Section, by_group, cluster_means, compared
from agentworld_dag.evaluation.probe import fresh_episodes, scores_by_domain
from agentworld_dag.evaluation.simulator_answers import ONE_STEP, SELF_FED, copied, one_step, self_fed
from agentworld_dag.lake.shared import pulled
from agentworld_dag.monitoring.champion import SCORES
from agentworld_dag.monitoring.rollouts import Rollout, RolloutTurn
from agentworld_dag.rounds import EPISODES_PER_ROUND, number_of
from agentworld_dag.simulator.bundle import Simulator, open_simulator
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories.parquet import read_trajectories, write_trajectories
from agentworld_dag.trajectories.pools import pool_file, read_earlier_held_out
from agentworld_dag.trajectories.round_plan import plan_of
from agentworld_dag.trajectories.schema import Trajectory

SIDES = ("candidate", "champion")
COPY = "copy"
FIRST_EPISODE = 2 * 10**12
"""Above the numbers of all rounds and probes."""
SHOWN_ROLLOUTS = 8
ROLLOUTS, COMPARISON = "rollouts.json", "comparison.json"


def work(stage: Stage) -> dict[str, Any]:
    preset = stage.preset
    first = FIRST_EPISODE + EPISODES_PER_ROUND * number_of(stage.round_name)
    fresh = fresh_episodes(preset, first, preset.probe.reference_episodes)
    splits = stage.inputs["trajectory_splits"]
    most = preset.probe.episodes
    held_out, earlier = read_trajectories(pool_file(splits, "held_out"))[:most], read_earlier_held_out(splits)[:most]
    sets = {"fresh": fresh, "held_out": held_out, "earlier": earlier}
    answers, cut = _answers(stage, sets)
    found = _compared(answers, Resampling(preset.evaluation.bootstrap_samples, stage.seed))
    write_trajectories(stage.out / "episodes.parquet", fresh)
    answers.write_parquet(stage.out / "answers.parquet")
    of_fresh = answers.filter(pl.col("set") == "fresh")
    (stage.out / SCORES).write_text(json.dumps(scores_by_domain(of_fresh, SIDES[0], fresh)))
    (stage.out / ROLLOUTS).write_text(json.dumps([asdict(shown) for shown in rollouts(of_fresh, fresh)]))
    (stage.out / COMPARISON).write_text(json.dumps(found, indent=1))
    draw_comparison(found, stage.out / "comparison.png")
    sessions = {name: len(sets[name]) for name in sets}
    return {name: found[name]["fidelity"] for name in found} | {"sessions": sessions, "context": cut}


def rollouts(answers: pl.DataFrame, episodes: Sequence[Trajectory]) -> list[Rollout]:
    """Episodes for a reviewer to read: those with most turns behind the other side, then those with most ahead."""
    one = answers.filter(regime=ONE_STEP)
    other = SIDES[1] if SIDES[1] in one["side"] else COPY
    mine, theirs = (cluster_means(one, "exact", "trajectory_id", side) for side in (SIDES[0], other))
    ordered = sorted(episodes, key=lambda each: len(each.turns) * (mine[each.id] - theirs[each.id]))
    chosen = [*ordered[: SHOWN_ROLLOUTS // 2], *ordered[-(SHOWN_ROLLOUTS // 2) :]]
    said = {(r["side"], r["trajectory_id"], r["turn_index"]): r["answer"] for r in one.iter_rows(named=True)}
    return [_rollout(episode, said) for episode in dict.fromkeys(chosen)]


def _rollout(episode: Trajectory, said: dict[tuple[str, str, int], str | None]) -> Rollout:
    turns = []
    for index, turn in enumerate(episode.turns):
        candidate, champion = (said.get((side, episode.id, index)) for side in SIDES)
        truth = turn.observation or ""
        turns.append(RolloutTurn(turn.action, candidate, truth, candidate == truth, champion))
    return Rollout(episode.id, episode.system.initial_state, tuple(turns))


def _answers(stage: Stage, sets: dict[str, list[Trajectory]]) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The rows, and by side what outgrew its context."""
    champion = plan_of(stage.inputs).champion
    folders = {SIDES[0]: stage.inputs["simulator"]} | ({SIDES[1]: pulled(champion.simulator)} if champion else {})
    rows = []
    with ExitStack() as opened:
        simulators = {
            side: opened.enter_context(open_simulator(folder, stage.seed, stage.preset.serving))
            for side, folder in folders.items()
        }
        for name, episodes in sets.items():
            for side, simulator in simulators.items():
                rows += [{"set": name} | row for row in _one_side(simulator, side, episodes, stage)]
            rows += [{"set": name} | row for row in copied(COPY, episodes, FIRST_OBSERVATION)]
            stage.log(f"{name}: {len(episodes)} sessions answered by {' and '.join(simulators)}")
    stage.meter.count_tokens(sum(simulator.engine.tokens for simulator in simulators.values()))
    cut = {side: simulator.engine.window.counts for side, simulator in simulators.items()}
    return pl.DataFrame(rows, infer_schema_length=None), cut


def _one_side(simulator: Simulator, side: str, episodes: Sequence[Trajectory], stage: Stage) -> list[dict[str, Any]]:
    if not episodes:
        return []
    some = episodes[: stage.preset.probe.free_running_episodes]
    return one_step(simulator, side, episodes) + self_fed(simulator, side, some)


def _compared(answers: pl.DataFrame, plan: Resampling) -> dict[str, Section]:
    """By set: fidelity with the truth as context and on own answers, and by command."""
    found: dict[str, Section] = {}
    sides = SIDES if SIDES[1] in answers["side"] else (SIDES[0], COPY)
    for (name,), rows in answers.group_by("set", maintain_order=True):
        one, fed = rows.filter(regime=ONE_STEP), rows.filter(regime=SELF_FED)
        found[str(name)] = {
            "fidelity": compared(one, "exact", "trajectory_id", sides, plan),
            "self_fed_fidelity": compared(fed, "exact", "trajectory_id", sides, plan),
            "by_command": by_group(one, "command", "exact", "trajectory_id", sides, plan),
        }
    return found


if __name__ == "__main__":
    run_stage(work)
