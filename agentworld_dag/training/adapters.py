"""LoRA (arXiv 2106.09685): a stage trains small matrices beside frozen ones, and leaves merged weights behind.

Later stages see an ordinary checkpoint. Adapters of quantised models, and
serving adapters unmerged, are left out.
"""

from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from transformers import PreTrainedModel

from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.settings import Lora


def with_adapters(model: PreTrainedModel, lora: Lora | None) -> Any:
    """The model as it is, or frozen with adapters on every linear layer but the output head."""
    if lora is None:
        return model
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(model, config)


def merged(trained: PeftModel, state: dict[str, Any]) -> PreTrainedModel:
    """What the trained model began as, with its adapters added; `state`: all its weights, gathered."""
    began_as: Any = trained.get_base_model()
    start, _ = load_checkpoint(Path(began_as.name_or_path))
    whole: Any = get_peft_model(start, trained.peft_config["default"])
    set_peft_model_state_dict(whole, get_peft_model_state_dict(trained, state_dict=state))
    return whole.merge_and_unload()
