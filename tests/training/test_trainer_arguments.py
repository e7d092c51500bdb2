"""What TRL is told to write answers with: every name is a field of its config, and the config takes the values."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from trl.trainer.grpo_config import GRPOConfig

from agentworld_dag.training.settings import Generation
from agentworld_dag.training.trainer_arguments import group_arguments
from tests.small_loop import small_preset

COLOCATE = {"engine": "colocate", "url": None, "memory_share": 0.3, "max_tokens": 512, "tensor_parallel": 4}
SERVER = COLOCATE | {"engine": "server", "url": "http://127.0.0.1:8000", "tensor_parallel": 1}


@pytest.mark.parametrize("asked", [COLOCATE, SERVER])
def test_trl_takes_what_it_is_told(stage: Callable[..., Any], asked: dict[str, Any]) -> None:
    settings = small_preset().world_model_rl.model_copy(update={"generation": Generation.model_validate(asked)})
    arguments = group_arguments(stage("out", {}), settings, settings.prompts_per_step)
    assert arguments.keys() <= {field.name for field in fields(GRPOConfig)}
    config = GRPOConfig(**arguments)
    assert (config.use_vllm, config.vllm_mode, config.vllm_server_base_url) == (True, asked["engine"], asked["url"])
    assert config.vllm_gpu_memory_utilization == 0.3
    assert config.vllm_max_model_length == 512
    assert config.vllm_tensor_parallel_size == asked["tensor_parallel"]
    assert config.vllm_enable_sleep_mode == (asked["engine"] == "colocate")
