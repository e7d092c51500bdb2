"""The weights that a stage leaves behind, however many processes hold them while it trains."""

from peft import PeftModel
from transformers import PreTrainedTokenizerBase, Trainer

from agentworld_dag.stage import Stage
from agentworld_dag.training.adapters import merged
from agentworld_dag.training.checkpoints import save_checkpoint


def save_trained(trainer: Trainer, stage: Stage, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write `checkpoint/`, gathered and with adapters merged, from the first process. All have to call."""
    held = trainer.accelerator.unwrap_model(trainer.model_wrapped)
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if stage.ranks.is_first:
        if isinstance(held, PeftModel):
            held, state = merged(held, state), None
        else:  # gathered shards of a tensor with two names are two tensors
            state = {name: tensor for name, tensor in state.items() if name not in held.all_tied_weights_keys}
        save_checkpoint(held, tokenizer, stage.out / "checkpoint", state)
    stage.ranks.meet()
