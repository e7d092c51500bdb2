"""The simulated environment over a scripted engine, and the bundle over a real tiny model."""

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from agentworld_dag.errors import SimulatorError
from agentworld_dag.simulator import bundle
from agentworld_dag.simulator.simulated import Settings, SimulatedEnvironment
from agentworld_dag.simulator.teacher_forced import Place, changed_f1, exact_share, sample_places
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.schema import SystemPrompt
from tests.small_loop import make_trajectory, small_preset

SETTINGS = Settings("ledger", 0.0, 16, "compact", SystemPrompt("A shell.", "Bash."), "~$")
START = "cwd=~\nlist=cat"


class ScriptedEngine:
    """Answers from a list and keeps what it was asked."""

    def __init__(self, encoder: ChatEncoder, answers: list[str]) -> None:
        self._encoder, self._answers, self.asked = encoder, answers, []

    async def generate(self, prompt_ids: list[int], max_new_tokens: int, temperature: float) -> list[int]:
        self.asked.append(self._encoder.tokenizer.decode(prompt_ids))
        return self._encoder.ids(self._answers.pop(0))


@pytest.fixture
def simulate(base: Path):
    """(environment, engine) whose engine gives the scripted answers."""
    encoder = ChatEncoder(AutoTokenizer.from_pretrained(base / "checkpoint"))

    def build(*answers: str, **changes: Any) -> tuple[SimulatedEnvironment, ScriptedEngine]:
        engine = ScriptedEngine(encoder, list(answers))
        return SimulatedEnvironment(engine, encoder, replace(SETTINGS, **changes)), engine  # type: ignore[arg-type]

    return build


async def play(environment: SimulatedEnvironment, *actions: str) -> list[str]:
    return [await environment.reset(START, 0), *[await environment.step(action) for action in actions]]


WRITE = "<think>\nmemo?\n->\nmemo=red\n</think>\n\n~$"
READ = "<think>\nmemo=red\n->\n</think>\n\nred\n~$"


def test_predicted_patches_update_the_ledger_the_model_sees_next(simulate) -> None:
    environment, engine = simulate(WRITE, READ)
    assert asyncio.run(play(environment, "echo red > memo", "cat memo")) == ["~$", "~$", "red\n~$"]
    assert asyncio.run(environment.state()) == "cwd=~\nlist=cat\nmemo=red"
    assert "memo=red" in engine.asked[1] and "echo red" not in engine.asked[1]


def test_history_mode_shows_the_initial_state_and_what_was_said(simulate) -> None:
    environment, engine = simulate(WRITE, READ, mode="history")
    asyncio.run(play(environment, "echo red > memo", "cat memo"))
    assert "echo red > memo" in engine.asked[1] and "memo=red" not in engine.asked[1]
    assert asyncio.run(environment.state()) == "cwd=~\nlist=cat\nmemo=red"


def test_the_reasoning_is_never_part_of_an_observation(simulate) -> None:
    environment, _ = simulate(WRITE)
    assert asyncio.run(play(environment, "echo red > memo"))[-1] == "~$"


@pytest.mark.parametrize("answer", ["red\n~$", "<think>\n->\nmemo=red", "<think>\n->\n-nothere\n</think>\n\n~$"])
def test_an_unusable_answer_ends_the_episode_with_a_reason(simulate, answer: str) -> None:
    environment, _ = simulate(answer)
    with pytest.raises(SimulatorError, match="world model"):
        asyncio.run(play(environment, "echo red > memo"))


def test_a_reset_forgets_the_episode_before(simulate) -> None:
    environment, engine = simulate(WRITE, READ)
    asyncio.run(play(environment, "echo red > memo"))
    asyncio.run(play(environment, "cat memo"))
    assert "memo=red" not in engine.asked[1]


def test_a_bundle_loads_what_it_wrote_and_gates_on_validation_turns(stage, base: Path, splits: Path) -> None:
    running = stage("simulator", {"world_model_rl": base, "trajectory_splits": splits})
    metrics = bundle.work(running)
    assert metrics["gate_turns"] == 8
    assert 0 < metrics["gate_copy_exact_match"] < 1
    with bundle.open_simulator(running.out, 0, running.preset.serving) as loaded:
        assert loaded.settings.system.task_description == "You are a terminal."
        assert loaded.environment().name == "simulator-ledger"


def test_a_bundle_survives_the_move_of_the_whole_lake(stage, base: Path, splits: Path, tmp_path: Path) -> None:
    running = stage("simulator", {"world_model_rl": base, "trajectory_splits": splits})
    bundle.work(running)
    common = Path(os.path.commonpath([running.out, base]))
    moved = tmp_path / "elsewhere"
    for folder in (base, running.out):
        shutil.copytree(folder, moved / folder.relative_to(common))
    with bundle.open_simulator(moved / running.out.relative_to(common), 0, running.preset.serving) as loaded:
        assert Path(loaded.engine.tokenizer.name_or_path).is_relative_to(moved)


def test_a_folder_without_a_manifest_is_one_clear_error(tmp_path: Path) -> None:
    opening = bundle.open_simulator(tmp_path, 0, small_preset().serving)
    with pytest.raises(SimulatorError, match=r"holds no simulator\.json"), opening:
        pass


def test_turns_are_sampled_without_replacement_and_by_seed() -> None:
    trajectories = [make_trajectory(i) for i in range(10)]
    drawn = [(p.trajectory.id, p.turn_index) for p in sample_places(trajectories, 20, seed=1)]
    assert len(set(drawn)) == 20
    assert drawn == [(p.trajectory.id, p.turn_index) for p in sample_places(trajectories, 20, seed=1)]


def test_an_unusable_answer_counts_as_wrong() -> None:
    places = [Place(make_trajectory(0), 0), Place(make_trajectory(0), 1)]
    assert exact_share(places, ["~$", None]) == 0.5
    assert changed_f1(None, "a\n~$", "~$") == 0.0


def test_changed_part_counts_only_what_the_action_changed() -> None:
    assert changed_f1("a\nb\n~$", "a\nb\n~$", "a\n~$") == 1.0
    assert changed_f1("a\n~$", "a\nb\n~$", "a\n~$") == 0.0
    assert 0 < changed_f1("a\nb\nc\n~$", "a\nb\n~$", "a\n~$") < 1
    assert changed_f1("~$", "~$", "~$") == 1.0
