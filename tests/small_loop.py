"""Fixtures for tests of the ML packages: a small preset, made-up trajectories, a base model."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.benchmark.heldout import work as make_benchmark
from agentworld_dag.config import Preset, load_preset
from agentworld_dag.monitoring.settings import Probe
from agentworld_dag.rounds import LaterRounds
from agentworld_dag.stage import Stage
from agentworld_dag.training.base_model import work as make_base_model
from agentworld_dag.trajectories.parquet import write_trajectories
from agentworld_dag.trajectories.schema import Provenance, SystemPrompt, Trajectory, Turn

WORDS = ("red", "blue", "green", "cat", "dog", "fox")


def small_preset() -> Preset:
    """The tiny preset, smaller still: two layers of width 32 and a handful of steps."""
    preset = load_preset(Path(__file__).parents[1] / "infra" / "presets" / "tiny.yaml")
    model = preset.model.model_copy(
        update={"hidden_size": 32, "layers": 2, "heads": 2, "kv_heads": 2, "head_size": 16}
        | {"feed_forward_size": 64, "vocab_size": 400}
    )
    steps = {"steps": 4, "save_every_steps": 2, "tokens_per_step": 256}
    rl = {"steps": 4, "save_every_steps": 2, "prompts_per_step": 2, "group_size": 2, "passes_per_step": 1}
    trial = preset.benchmark.judge_trial.model_copy(update={"samples": 4, "least_measured": 1})
    benchmark = {"checks_per_axis": 4, "least_checks": 4, "judge_trial": trial}
    return preset.model_copy(
        update={
            "model": model,
            "benchmark": preset.benchmark.model_copy(update=benchmark),
            "cpt": preset.cpt.model_copy(update={**steps, "packed_tokens": 64}),
            "sft": preset.sft.model_copy(update=steps),
            "world_model_rl": preset.world_model_rl.model_copy(update={**rl, "max_new_tokens": 12}),
            "simulator": preset.simulator.model_copy(update={"gate_turns": 8}),
            "probe": Probe(episodes=8, reference_episodes=8, free_running_episodes=3, tasks=3),
            "later_rounds": LaterRounds(replay_share=0.25, changes={"cpt": {"steps": 2}}),
            "evaluation": preset.evaluation.model_copy(
                update={
                    "fidelity_turns": 6,
                    "drift_episodes": 2,
                    "control_temperatures": (0.5,),
                    "reliability": preset.evaluation.reliability.model_copy(
                        update={
                            "turns": 6,
                            "consistency_samples": 2,
                            "planted_turns": 2,
                            "replay_episodes": 2,
                            "replays": 2,
                        }
                    ),
                }
            ),
        }
    )


def make_trajectory(number: int) -> Trajectory:
    """Three turns in which a file is written, read and missed."""
    word, other = WORDS[number % 6], WORDS[(number + 1) % 6]
    turns = (
        Turn(f"echo {word} > memo", "~$", f"cwd=~\nlist={other}\nmemo={word}", "memo?"),
        Turn("cat memo", f"{word}\n~$", f"cwd=~\nlist={other}\nmemo={word}", f"memo={word}"),
        Turn("cat note", "cat: note: No such file or directory\n~[1]$", f"cwd=~\nlist={other}\nmemo={word}", "note?"),
    )
    provenance = Provenance("terminal", "1", "bwrap", "test", number, "2026-11-22T00:00:00Z", "0")
    system = SystemPrompt("You are a terminal.", "One command.", f"cwd=~\nlist={other}")
    return Trajectory(f"t{number}", "terminal", "exploratory", system, turns, "no_goal", provenance)


@pytest.fixture(scope="session")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A splits folder of 12 trajectories in each split."""
    return write_splits(tmp_path_factory.mktemp("splits"))


def write_splits(folder: Path) -> Path:
    for start, name in enumerate(("cpt", "sft", "rl", "validation", "held_out")):
        write_trajectories(folder / f"{name}.parquet", [make_trajectory(start * 12 + i) for i in range(12)])
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, splits: Path) -> Path:
    """The folder of a base model made by the real stage."""
    out = tmp_path_factory.mktemp("base_model")
    make_base_model(new_stage(out, {"trajectory_splits": splits}))
    return out


@pytest.fixture(scope="session")
def heldout(tmp_path_factory: pytest.TempPathFactory, splits: Path) -> Path:
    """The folder of a held-out benchmark made by the real stage."""
    out = tmp_path_factory.mktemp("heldout_benchmark")
    make_benchmark(new_stage(out, {"trajectory_splits": splits}))
    return out


def new_stage(out: Path, inputs: dict[str, Path], seed: int = 0, **sections: Any) -> Stage:
    out.mkdir(parents=True, exist_ok=True)
    preset = small_preset().model_copy(update=sections)
    return Stage(preset, seed, out, inputs, {}, logging.getLogger("test"))


@pytest.fixture
def stage(tmp_path: Path) -> Callable[..., Stage]:
    """Builds a stage on the small preset; `name` is its output folder under tmp_path."""

    def build(name: str, inputs: dict[str, Path], seed: int = 0, **sections: Any) -> Stage:
        return new_stage(tmp_path / name, inputs, seed, **sections)

    return build
