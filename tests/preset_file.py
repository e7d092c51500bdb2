"""A preset file for turning the real loop in a minute or two; what it trains is worth nothing."""

from pathlib import Path
from typing import Any

import yaml

from agentworld_dag.rounds import merged
from tests.small_loop import small_preset

QUICK: dict[str, Any] = {
    "collection": {"exploratory_episodes": 60, "task_episodes": 60, "turns_per_episode": 4},
    "splits": {"validation": 0.1, "held_out": 0.1},
    "agent": {
        "demonstrations": 8,
        "imitation": {"steps": 4, "save_every_steps": 2, "tokens_per_step": 512},
        "rl": {
            "steps": 2,
            "tasks_per_step": 2,
            "group_size": 2,
            "passes_per_step": 1,
            "scarce_real_steps": 4,
            "save_every_steps": 1,
        },
    },
    "evaluation": {"tasks": 8, "bootstrap_samples": 50},
}

TRAINABLE: dict[str, Any] = {
    "collection": {"exploratory_episodes": 300, "task_episodes": 300, "turns_per_episode": 6},
    "model": {"hidden_size": 96, "head_size": 48, "feed_forward_size": 256, "vocab_size": 600},
    "cpt": {"steps": 60, "tokens_per_step": 1024, "packed_tokens": 256, "save_every_steps": 20},
    "sft": {"steps": 300, "tokens_per_step": 1024, "save_every_steps": 200},
    # A step holds most of the pool, so that rewards of steps compare the policy and not the prompts.
    "world_model_rl": {"prompts_per_step": 96, "group_size": 4, "max_new_tokens": 32},
    "simulator": {"gate_turns": 100},
    "agent": {"imitation": {"steps": 20, "tokens_per_step": 1024}},
    "probe": {"episodes": 80, "reference_episodes": 160, "free_running_episodes": 5, "tasks": 6},
    "watch": {"least_episodes": 40, "false_alarm_share": 0.2},
    "later_rounds": {"changes": {"cpt": {"steps": 10}, "sft": {"steps": 200, "rehearsal_share": 0.0}}},
}
"""What the quick preset needs on top to learn enough to pass the blocking checks."""


def write_preset(path: Path, **changes: Any) -> Path:
    """The quick preset with changes merged in, section by section."""
    preset = merged(merged(small_preset().model_dump(mode="json"), QUICK), changes)
    path.write_text(yaml.safe_dump(preset))
    return path
