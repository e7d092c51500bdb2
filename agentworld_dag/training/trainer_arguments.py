"""The Trainer settings that are the same in every stage that trains."""

from typing import Any

import torch

from agentworld_dag.errors import ConfigError
from agentworld_dag.stage import UNDER_WAY, Stage
from agentworld_dag.training.settings import Generation, GroupRl, Supervised


def common_arguments(stage: Stage, settings: Supervised | GroupRl) -> dict[str, Any]:
    """Keyword arguments of any of TRL's configs; AdamW is the Trainer's own where no optimizer is handed to it."""
    return {
        "output_dir": str(stage.out / UNDER_WAY),
        "max_steps": settings.steps,
        "gradient_accumulation_steps": settings.passes_per_step,
        "learning_rate": settings.learning_rate,
        "adam_beta2": 0.95,
        "weight_decay": 0.0,
        "activation_checkpointing": stage.needs.recompute_activations,
        "use_cpu": not torch.cuda.is_available(),
        "bf16": True,
        "save_steps": settings.save_every_steps,
        "save_total_limit": 2,
        "report_to": "none",
        "seed": stage.seed,
        "data_seed": stage.seed,
        "disable_tqdm": True,
    }


def group_arguments(stage: Stage, settings: GroupRl, groups: int) -> dict[str, Any]:
    """The same for RL on `groups` groups of answers in each step. Raises ConfigError."""
    return {
        **common_arguments(stage, settings),
        "per_device_train_batch_size": _rows_of_a_process(stage, settings, groups),
        "num_generations": settings.group_size,
        "temperature": settings.temperature,
        "lr_scheduler_type": "linear",
        "beta": 0.0,
        "logging_steps": 1,
        **_generation(settings.generation),
    }


def _rows_of_a_process(stage: Stage, settings: GroupRl, groups: int) -> int:
    """In one pass."""
    rows, count = groups * settings.group_size // settings.passes_per_step, stage.ranks.count
    if rows % count:
        raise ConfigError(f"{count} processes cannot share the {rows} rows of a pass evenly; change passes_per_step")
    return rows // count


def _generation(settings: Generation) -> dict[str, Any]:
    if settings.engine == "transformers":
        return {}
    return {
        "use_vllm": True,
        "vllm_mode": settings.engine,
        "vllm_server_base_url": settings.url,
        "vllm_gpu_memory_utilization": settings.memory_share,
        "vllm_max_model_length": settings.max_tokens,
        "vllm_tensor_parallel_size": settings.tensor_parallel,
        "vllm_enable_sleep_mode": settings.engine == "colocate",
    }
