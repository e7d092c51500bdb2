"""A policy whose words come from vLLM in the process that trains it (TRL's `vllm_mode="colocate"`).

TRL starts that vLLM and hands it the weights; here it writes the turns of
episodes. Its sampling cannot be seeded for a step, so that a resumed practice
goes on with other episodes than an undisturbed one would have had.
"""

from typing import Any

from trl.trainer.grpo_trainer import GRPOTrainer

from agentworld_dag.simulator.window import Window


class Colocated:
    """A `Writer` over the trainer's own vLLM. State: the step whose weights it writes with."""

    def __init__(self, trainer: GRPOTrainer, tokenizer: Any, max_tokens: int) -> None:
        self.window = Window(tokenizer, max_tokens)
        self._trainer, self._end = trainer, tokenizer.eos_token_id
        self._step: int | None = None

    def seed(self, seed: int) -> None:
        """Nothing to do."""

    def generate_batch(self, prompts: list[list[int]], max_new_tokens: int, temperature: float) -> list[list[int]]:
        vllm, step = self._trainer.vllm_generation, self._trainer.state.global_step
        if step != self._step:
            vllm.sync_weights()
            self._step = step
        vllm.max_completion_length, vllm.temperature = max_new_tokens, temperature
        _, answers, _, _ = vllm.generate(prompts=prompts, images=None, num_generations=1)
        return [ids[: ids.index(self._end)] if self._end in ids else ids for ids in map(list, answers)]
