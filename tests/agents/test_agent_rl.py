import json
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.agents import agent_rl
from agentworld_dag.agents.tools import read_task
from agentworld_dag.cost import Meter
from agentworld_dag.environments.tasks import KINDS
from agentworld_dag.environments.terminal import FIRST_OBSERVATION
from agentworld_dag.errors import ConfigError
from agentworld_dag.simulator.bundle import MANIFEST
from agentworld_dag.simulator.simulated import Settings
from agentworld_dag.trajectories.schema import SystemPrompt
from tests.agents.conftest import small_agent


def weights(out: Path) -> bytes:
    return (out / "checkpoint" / "model.safetensors").read_bytes()


def practise(agent_stage, name: str, arm: str, inputs: dict[str, Path], **agent: Any) -> tuple[Path, dict[str, Any]]:
    running = agent_stage(name, inputs, {"arm": arm}, **agent)
    with running.meter.recording():
        return running.out, agent_rl.work(running)


@pytest.fixture(autouse=True)
def reward_that_varies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent this small solves nothing, and without differences in reward no weight would move."""
    solved = agent_rl.goal_reward(1)

    async def odd_lengths(completion_ids: list[list[int]], **rest: Any) -> list[float]:
        await solved(**rest)
        return [float(len(ids) % 2) for ids in completion_ids]

    monkeypatch.setattr(agent_rl, "goal_reward", lambda processes: odd_lengths)


@pytest.fixture
def whole(agent_stage, imitator: Path) -> tuple[Path, dict[str, Any]]:
    return practise(agent_stage, "whole", "real_rl", {"agent_base": imitator})


def test_practice_in_the_real_shell_trains_and_counts_its_steps(whole, imitator: Path) -> None:
    out, metrics = whole
    assert metrics["steps"] == len(metrics["curve"]["success"]) == 4
    assert metrics["real_steps"] == metrics["environment_steps"] > 0 and metrics["sim_steps"] == 0
    assert metrics["first_quarter"]["tool_call_rate"] > 0 and metrics["failed_rollouts"] == 0
    assert weights(out) != weights(imitator)
    logged = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert {"success", "entropy", "environment_steps"} <= logged[0]["metrics"].keys()


def test_a_killed_practice_ends_with_the_weights_of_an_uninterrupted_one(agent_stage, imitator: Path, whole) -> None:
    killed, _ = practise(agent_stage, "killed", "real_rl", {"agent_base": imitator})
    shutil.rmtree(killed / "checkpoint")  # as a kill after the checkpoint of step 2 leaves it
    before = Meter(killed).total().tokens
    _, resumed = practise(agent_stage, "killed", "real_rl", {"agent_base": imitator})
    assert 0 < Meter(killed).total().tokens - before < before, "what a checkpoint had seen is not counted again"
    assert weights(killed) == weights(whole[0])
    assert resumed["curve"] == whole[1]["curve"] and resumed["real_steps"] == whole[1]["real_steps"]


def test_the_scarce_arm_stops_once_its_budget_is_spent(agent_stage, imitator: Path) -> None:
    rl = small_agent().rl.model_copy(update={"scarce_real_steps": 1, "save_every_steps": 1})
    out, metrics = practise(agent_stage, "scarce", "real_rl_scarce", {"agent_base": imitator}, rl=rl)
    assert metrics["steps"] == 1 and metrics["real_steps"] >= 1
    assert not list((out / "trainer").glob("checkpoint-*")), "a resumed run would take one step more"


def test_a_scarce_arm_that_is_asked_to_stop_when_its_budget_is_spent_is_done(agent_stage, imitator: Path) -> None:
    rl = small_agent().rl.model_copy(update={"scarce_real_steps": 1})
    running = agent_stage("scarce", {"agent_base": imitator}, {"arm": "real_rl_scarce"}, rl=rl)
    running.stop.asked = True
    assert agent_rl.work(running)["steps"] == 1


def test_practice_in_a_simulator_takes_no_real_step(agent_stage, imitator: Path, base: Path, tmp_path: Path) -> None:
    # Without reasoning any text is an observation: an untrained world model can be practised in.
    settings = Settings("history", 0.0, 8, "compact", SystemPrompt("", ""), FIRST_OBSERVATION, reasons=False)
    manifest = {"checkpoint": str(base / "checkpoint"), "settings": asdict(settings)}
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    rl = small_agent().rl.model_copy(update={"steps": 1})
    inputs = {"agent_base": imitator, "simulator": tmp_path}
    out, metrics = practise(agent_stage, "sim", "sim_rl", inputs, rl=rl)
    logged = [json.loads(line)["metrics"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert Meter(out).total().tokens > max(step.get("num_tokens", 0) for step in logged) > 0, "the simulator's too"
    assert metrics["real_steps"] == 0 and metrics["sim_steps"] == metrics["environment_steps"] > 0


def test_kinds_take_turns_and_seeds_meet_other_tasks() -> None:
    settings = small_agent().rl.model_copy(update={"steps": 3, "tasks_per_step": len(KINDS)})
    rows = [agent_rl.task_rows(settings, seed) for seed in (0, 1)]
    kinds = Counter(read_task(row["task"]).kind for row in rows[0][: len(KINDS)])
    assert set(kinds) == set(KINDS) and set(kinds.values()) == {1}
    assert not {row["task"] for row in rows[0]} & {row["task"] for row in rows[1]}


def test_an_unknown_arm_is_refused(agent_stage, imitator: Path) -> None:
    with pytest.raises(ConfigError, match="arm=dreams: expected one of sim_rl"):
        practise(agent_stage, "x", "dreams", {"agent_base": imitator})


def test_answers_are_used_up_at_the_end_of_each_step(agent_stage) -> None:
    """A checkpoint holds none, and could not be resumed from in between."""
    arguments = agent_rl._arguments(agent_stage("out", {}, {"arm": "sim_rl"}))
    assert arguments.steps_per_generation
    assert arguments.steps_per_generation * arguments.num_iterations == arguments.gradient_accumulation_steps
