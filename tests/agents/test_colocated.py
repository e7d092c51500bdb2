"""A policy that speaks through the trainer's own vLLM, which a stand-in plays here."""

from types import SimpleNamespace
from typing import Any

from agentworld_dag.agents.colocated import Colocated

END = 7


class Vllm:
    """Answers as TRL's `VLLMGeneration` does. State: what it was told."""

    def __init__(self) -> None:
        self.synced: list[int] = []
        self.step = 0
        self.max_completion_length = self.temperature = 0.0

    def sync_weights(self) -> None:
        self.synced.append(self.step)

    def generate(self, prompts: list[list[int]], images: None, num_generations: int) -> Any:
        assert num_generations == 1
        answers = [[*prompt, END, 9] if index % 2 else prompt for index, prompt in enumerate(prompts)]
        return prompts, answers, None, None


def colocated(vllm: Vllm) -> tuple[Colocated, SimpleNamespace]:
    trainer = SimpleNamespace(vllm_generation=vllm, state=SimpleNamespace(global_step=0))
    tokenizer = SimpleNamespace(eos_token_id=END, convert_tokens_to_ids=lambda token: 1)
    return Colocated(trainer, tokenizer, 64), trainer  # pyright: ignore[reportArgumentType]


def test_answers_end_before_the_end_token() -> None:
    writer, _ = colocated(Vllm())
    assert writer.generate_batch([[3, 4], [5]], 16, 0.7) == [[3, 4], [5]]


def test_vllm_is_handed_the_weights_once_for_each_step_that_changed_them() -> None:
    writer, trainer = colocated(vllm := Vllm())
    for step in (0, 0, 1, 1, 1, 2):
        trainer.state.global_step = vllm.step = step
        writer.generate_batch([[3]], 16, 0.7)
    assert vllm.synced == [0, 1, 2]
    assert (vllm.max_completion_length, vllm.temperature) == (16, 0.7)
