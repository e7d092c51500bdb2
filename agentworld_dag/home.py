"""Where a run keeps what it makes: one folder, moved as a whole by `AGENTWORLD_HOME`.

    <home>/dagster   the Dagster instance        <home>/lake      artifacts, content-addressed
    <home>/mlflow    the local MLflow store      <home>/reports   the last report of each round
    <home>/slurm     what steps and their Slurm jobs tell each other
    <home>/terminal-image    which image of the real shell is installed, see `environments.images`

The lake is local unless `AGENTWORLD_LAKE=s3://bucket/prefix` names a remote that it is a cache of (`lake.shared`).
Settings that name a place or a run come from the environment here and nowhere else.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from agentworld_dag.tracking import named_uri

ROOT = "AGENTWORLD_HOME"
REMOTE_LAKE = "AGENTWORLD_LAKE"
PRESETS = Path(__file__).parents[1] / "infra" / "presets"
ACCELERATE = PRESETS.with_name("accelerate")
"""How several processes share a model, for `accelerate launch`."""


@dataclass(frozen=True)
class Home:
    """The folders below one root; an absolute path, so that step processes agree on it."""

    root: Path

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def remote_lake(self) -> str:
        """The lake's remote; empty where it has none."""
        return os.environ.get(REMOTE_LAKE, "")

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def slurm(self) -> Path:
        return self.root / "slurm"

    @property
    def terminal_image(self) -> Path:
        return self.root / "terminal-image"

    @property
    def mlflow_uri(self) -> str:
        """A local store; `MLFLOW_TRACKING_URI` names a server instead. Raises ConfigError."""
        return named_uri() or f"sqlite:///{self.root / 'mlflow' / 'mlflow.db'}"


def home() -> Home:
    return Home(Path(os.environ.get(ROOT) or ".agentworld").absolute())


def preset_path(name: str) -> Path:
    """A preset by name, or a path to one."""
    return Path(name).absolute() if "/" in name or name.endswith(".yaml") else PRESETS / f"{name}.yaml"
