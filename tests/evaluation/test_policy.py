import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.agents.rollout import Rollout
from agentworld_dag.environments.protocol import Task
from agentworld_dag.environments.terminal import FIRST_OBSERVATION, RealTerminal
from agentworld_dag.errors import ConfigError, EvaluationError
from agentworld_dag.evaluation import policy
from agentworld_dag.evaluation.measurements import COLUMNS, controls
from agentworld_dag.simulator.bundle import MANIFEST
from agentworld_dag.simulator.simulated import Settings
from agentworld_dag.stage import Stage
from agentworld_dag.trajectories.schema import SystemPrompt
from tests.small_loop import base, small_preset, splits, stage

__all__ = ["base", "splits", "stage"]

WRITE = Task("t", "write", "write gold to memo", "cwd=~", "cwd=~\nmemo=gold", ("cwd",))


def judge(stage: Callable[..., Stage], inputs: dict[str, Path], environment: str) -> Stage:
    preset = small_preset()
    evaluation = preset.evaluation.model_copy(update={"tasks": 3})
    agent = preset.agent.model_copy(update={"max_new_tokens": 8})
    running = stage("out", inputs, evaluation=evaluation, agent=agent)
    running.options["environment"] = environment
    policy.work(running)
    return running


def test_another_collection_seed_means_other_tasks() -> None:
    preset = small_preset()
    other = preset.model_copy(
        update={"collection": preset.collection.model_copy(update={"seed": preset.collection.seed + 1})}
    )
    tasks, others = policy.evaluation_tasks(preset), policy.evaluation_tasks(other)
    assert len(tasks) == len(others) == preset.evaluation.tasks
    assert not {task.id for task in tasks} & {task.id for task in others}
    assert tasks == policy.evaluation_tasks(preset)


def test_every_arm_meets_the_same_tasks_sampled_and_greedily(stage, base: Path) -> None:
    out = judge(stage, {"agent_base": base, "agent_scratch": base}, "real").out
    rows = pl.read_parquet(out / "rollouts.parquet")
    runs = rows.group_by("arm", "decoding").agg(pl.col("task_id").sort())
    decodings = ("sampled", "greedy", "sampled@0.5")
    assert set(runs.select("arm", "decoding").iter_rows()) == {(a, d) for a in ("base", "scratch") for d in decodings}
    assert runs["task_id"].n_unique() == 1 and rows["environment"].unique().to_list() == ["real"]
    assert rows["replay_success"].null_count() == len(rows)
    assert "### base, greedy: " in (out / "examples.md").read_text()


def test_what_is_written_is_what_the_report_reads(stage, base: Path) -> None:
    written = judge(stage, {"agent_base": base}, "real").out / "rollouts.parquet"
    frame = pl.read_parquet(written).select([pl.col(name).cast(kind) for name, kind in COLUMNS["sim"].items()])
    assert controls(frame) == ["sampled@0.5"]


def test_simulated_actions_are_replayed_in_the_real_shell(stage, base: Path, tmp_path: Path) -> None:
    settings = Settings("history", 0.0, 8, "compact", SystemPrompt("", ""), FIRST_OBSERVATION, reasons=False)
    manifest = {"checkpoint": str(base / "checkpoint"), "settings": asdict(settings)}
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    out = judge(stage, {"agent_base": base, "simulator": tmp_path}, "sim").out
    rows = pl.read_parquet(out / "rollouts.parquet")
    assert rows["replay_success"].null_count() == 0
    assert set(rows["decoding"]) == {"sampled", "greedy"}, "controls are for the real shell"


def row(*actions: str) -> policy.Row:
    return {"task_id": "t", "actions": list(actions)}


def test_a_replay_is_judged_on_the_real_state() -> None:
    terminal = RealTerminal(action_timeout_s=2.0, max_observation_chars=400)
    rows = [row("echo gold > memo"), row("pwd"), row(), row("echo gold > memo", "kill -9 $$"), row("pwd")]
    assert asyncio.run(policy.replay(terminal, [WRITE], rows)) == [True, False, False, False, False]
    assert terminal.real_steps == 4, "equal sequences are played once"


def rollout(failure: str) -> Rollout:
    return Rollout(WRITE, ("pwd",), ("~$",), False, failure, 0)


def test_a_run_in_which_most_environments_died_is_not_scored() -> None:
    with pytest.raises(EvaluationError, match=r"2 of 3 rollouts of base, greedy failed.*no room"):
        policy.refuse_mass_failure([rollout("died"), rollout(""), rollout("no room")], "base, greedy")
    policy.refuse_mass_failure([rollout("died"), rollout("")], "base, greedy")


def test_a_transcript_tells_the_task_and_what_happened() -> None:
    text = policy.transcript("base, greedy", rollout(""))
    assert "write gold to memo" in text and "$ pwd\n~$" in text and "not solved" in text
    assert "failed: died" in policy.transcript("base, greedy", rollout("died"))


def test_an_unknown_environment_is_refused(stage, base: Path) -> None:
    with pytest.raises(ConfigError, match="environment=dream: expected real or sim"):
        judge(stage, {"agent_base": base}, "dream")
