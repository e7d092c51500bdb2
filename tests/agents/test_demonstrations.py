import asyncio
import json
from pathlib import Path

import pytest

from agentworld_dag.agents import demonstrations
from agentworld_dag.config import Preset, load_preset
from agentworld_dag.environments.protocol import Task
from agentworld_dag.environments.tasks import KINDS, namespace_of
from agentworld_dag.stage import run_stage
from agentworld_dag.trajectories.parquet import read_trajectories
from agentworld_dag.trajectories.schema import Trajectory

PRESET = Path(__file__).parents[2] / "infra/presets/tiny.yaml"


def few(**changes: object) -> Preset:
    preset = load_preset(PRESET)
    return preset.model_copy(update={"agent": preset.agent.model_copy(update={"demonstrations": len(KINDS)} | changes)})


def shown(preset: Preset, seed: int) -> list[Trajectory]:
    return asyncio.run(demonstrations.demonstrate(preset, seed))


def task_of(trajectory: Trajectory) -> Task:
    facts = json.loads(trajectory.task)
    return Task(**facts | {"free_keys": tuple(facts["free_keys"])})


def test_they_show_every_kind_from_a_namespace_of_their_own() -> None:
    tasks = [task_of(trajectory) for trajectory in shown(few(), 0)]
    assert {task.kind for task in tasks} == set(KINDS)
    assert {namespace_of(task) for task in tasks} == {"demonstration"}


def test_without_noise_every_one_succeeds() -> None:
    assert {trajectory.outcome for trajectory in shown(few(demonstration_noise=0.0), 0)} == {"success"}


def test_a_seed_repeats_and_another_shows_others() -> None:
    first, again, other = (shown(few(), seed) for seed in (0, 0, 1))
    assert [t.turns for t in first] == [t.turns for t in again]
    assert not {t.task for t in first} & {t.task for t in other}


def test_turns_are_limited_and_counted() -> None:
    trajectories = shown(few(demonstration_noise=1.0, max_turns=2), 0)
    assert max(len(t.turns) for t in trajectories) == 2
    metrics = demonstrations.summarize(trajectories)
    assert metrics["real_steps"] == sum(len(t.turns) for t in trajectories)
    assert metrics["success_share"] < 0.5


def test_the_stage_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentworld_dag.stage.load_preset", lambda *_: few())
    run_stage(demonstrations.work, ["--config", str(PRESET), "--out", str(tmp_path)])
    assert len(read_trajectories(tmp_path / "demonstrations.parquet")) == len(KINDS)
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["episodes"] == len(KINDS)
    assert 0.3 < metrics["success_share"] <= 1.0
