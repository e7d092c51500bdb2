"""GRPO over environments, all rollouts of a step at once.

TRL 1.16 awaits the tools of one rollout at a time, so a simulator would answer
64 rollouts one by one, and it reads every context anew for every message. This
trainer keeps TRL's `environment_factory`, its data flow, loss and checkpoints,
and plays the conversations itself, with the code that evaluation uses.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from transformers import PreTrainedModel

from agentworld_dag.agents.colocated import Colocated
from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.agents.rollout import Episode, Policy, Writer, converse, gathered
from agentworld_dag.agents.settings import Agent
from agentworld_dag.environments.tasks import seed_of
from agentworld_dag.simulator.in_process import InProcessEngine
from agentworld_dag.training.group_trainer import GroupTrainer

SeedEnvironments = Callable[[int], None]


class AgentTrainer(GroupTrainer):
    """`seed_environments` is called before each step: sampling must not depend on where training was interrupted."""

    def __init__(
        self,
        model: PreTrainedModel,
        encoder: AgentEncoder,
        agent: Agent,
        seed_environments: SeedEnvironments,
        **kwargs: Any,
    ) -> None:
        super().__init__(model=model, processing_class=encoder.tokenizer, **kwargs)
        self._policy = Policy(self._writer(model, encoder), encoder, agent, self.temperature)
        self._seed_environments = seed_environments

    def _writer(self, model: PreTrainedModel, encoder: AgentEncoder) -> Writer:
        if self.use_vllm:
            settings: Any = self.args
            longest: int = model.config.max_position_embeddings
            return Colocated(self, encoder.tokenizer, min(settings.vllm_max_model_length or longest, longest))
        engine = InProcessEngine(model, encoder.tokenizer, seed=0)
        model.train()  # the engine has put it into evaluation mode, which TRL takes for its own evaluation
        return engine

    def _generate(self, prompts: list[Any]) -> Any:
        # Each process plays episodes of its own.
        others = [self.accelerator.process_index] if self.accelerator.process_index else []
        step_seed = seed_of("practice", self.args.seed, self.state.global_step, *others)
        self._policy.engine.seed(step_seed)
        self._seed_environments(step_seed)
        return super()._generate(prompts)

    def _generate_single_turn(self, prompt_ids: list[list[int]], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        return self._policy.generate(prompt_ids), None

    def _tool_call_loop(
        self,
        prompts: Any,
        prompt_ids: list[list[int]],
        completion_ids: list[list[int]],
        completions: Any,
        logprobs: Any,
        images: Any,
        multimodal_fields: Any,
    ) -> tuple[Any, ...]:
        episodes = [Episode(tool, ids) for tool, ids in zip(self.environments or [], prompt_ids, strict=True)]
        for episode, ids in zip(episodes, completion_ids, strict=True):
            episode.speak(ids, self._policy.encoder.speech(ids))
        converse(episodes, self._policy, self._gather)
        return (
            [episode.spoken for episode in episodes],
            [episode.messages for episode in episodes],
            [episode.completion_ids for episode in episodes],
            None,
            sum(len(episode.tool.actions) for episode in episodes),
            sum(episode.tool.invalid_messages for episode in episodes),
            [[] for _ in episodes],
        )

    def _gather(self, coroutines: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
        return asyncio.run_coroutine_threadsafe(gathered(coroutines), self.async_loop).result()
