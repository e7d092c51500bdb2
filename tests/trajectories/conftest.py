import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.config import load_preset
from agentworld_dag.stage import Stage
from agentworld_dag.trajectories.schema import Provenance, SystemPrompt, Trajectory, Turn

Episode = Callable[..., Trajectory]

_TURNS = (
    Turn("echo red > a", "~$", "a=red\ncwd=~"),
    Turn("cat a", "red\n~$", "a=red\ncwd=~"),
    Turn("cat b", "cat: b: No such file or directory\n~[1]$", "a=red\ncwd=~"),
)


@pytest.fixture
def episode() -> Episode:
    """Builds a whole, clean trajectory; any field can be given, `initial_state` too."""

    def build(id: str = "episode-1", initial_state: str = "cwd=~", **fields: Any) -> Trajectory:
        system = SystemPrompt("A shell.", "One bash command.", initial_state)
        provenance = Provenance("terminal", "1", "bwrap", "explorer", 7, "2025-11-22T00:00:00Z", "abc")
        base = Trajectory(id, "terminal", "exploratory", system, _TURNS, "no_goal", provenance)
        return replace(base, **fields)

    return build


@pytest.fixture
def stage(tmp_path) -> Callable[..., Stage]:
    """Builds a stage on the tiny preset with the given input folders, as the runner would."""
    preset = load_preset(Path(__file__).parents[2] / "infra" / "presets" / "tiny.yaml")

    def build(inputs: dict[str, Path], **sections: Any) -> Stage:
        changed = preset.model_copy(update=sections)
        return Stage(changed, 0, tmp_path / "out", inputs, {}, logging.getLogger("test"))

    return build
