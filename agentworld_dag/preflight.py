"""What must be true before a run spends compute; each failure is one error that says what to do."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from agentworld_dag.config import Preset, check_seed, load_preset
from agentworld_dag.errors import StoreError
from agentworld_dag.home import Home, preset_path
from agentworld_dag.resources.registry import ModelRegistry

MIN_FREE_BYTES = 2 << 30
"""A tiny round needs about a third of this."""


def check(preset_name: str, seeds: Iterable[int], home: Home, round_name: str) -> Preset:
    """Raises ConfigError, SandboxError, StoreError or RegistryError."""
    from agentworld_dag.environments.sandbox import pick_backend

    preset = load_preset(preset_path(preset_name), round_name)
    for seed in seeds:
        check_seed(seed)
    pick_backend()
    check_disk(home.root)
    ModelRegistry(tracking_uri=home.mlflow_uri).check(round_name)
    return preset


def check_disk(root: Path) -> None:
    """Make the home and be sure there is room in it."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {root}: {error.strerror}; set AGENTWORLD_HOME to a writable folder") from error
    free = shutil.disk_usage(root).free
    if free < MIN_FREE_BYTES:
        raise StoreError(
            f"{free >> 20} MiB free on the disk that holds {root}, a run needs {MIN_FREE_BYTES >> 20} MiB; "
            "free some or set AGENTWORLD_HOME to another disk"
        )
