"""What a run that nobody starts by hand is configured with: the preset and the seed, and our lines in its log."""

from typing import Any

LOGGING: dict[str, Any] = {"loggers": {"console": {"config": {}}}}


def run_config(preset_name: str, seed: int) -> dict[str, Any]:
    return LOGGING | {"resources": {"preset": {"config": {"name": preset_name, "seed": seed}}}}
