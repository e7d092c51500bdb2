"""The preset and the seed of a run, shown and changeable in the launchpad."""

import os
from pathlib import Path

import dagster as dg

from agentworld_dag.config import MAX_SEED, Preset, check_seed, load_preset
from agentworld_dag.errors import ConfigError
from agentworld_dag.home import preset_path
from agentworld_dag.rounds import FIRST_ROUND


class RunPreset(dg.ConfigurableResource):
    """Which preset file and which seed every stage of the run gets."""

    name: str
    """A name under infra/presets, or a path."""
    seed: int

    @property
    def path(self) -> Path:
        return preset_path(self.name)

    def load(self, round_name: str = FIRST_ROUND) -> Preset:
        """The preset as the round has it. Raises ConfigError on an unknown or invalid preset."""
        return load_preset(self.path, round_name)


def preset_from_environment() -> RunPreset:
    return RunPreset(
        name=os.environ.get("AGENTWORLD_PRESET", "tiny"),
        seed=_seed(os.environ.get("AGENTWORLD_SEED", "0")),
    )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"AGENTWORLD_SEED={text}: expected a whole number from 0 to {MAX_SEED}")
    return check_seed(int(text))
