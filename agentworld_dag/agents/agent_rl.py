"""Practice: the base agent trained with GRPO in the simulator or in the real shell.

    python -m agentworld_dag.agents.agent_rl --config infra/presets/tiny.yaml --seed 0 --option arm=sim_rl \
        --input agent_base=DIR --input simulator=DIR --out DIR

Arms: `sim_rl`; `real_rl`, its twin at equal gradient steps; `real_rl_scarce`,
which stops once it has spent its budget of real steps. The arms differ in the
environment and nowhere else. The reward is 1 where the environment's own state
is the goal at the end, else 0: no shaping, no KL term (paper section 6.1).
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from datasets import Dataset
from transformers import (
    PreTrainedModel,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from trl.trainer.grpo_config import GRPOConfig

from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.agents.practice import TOTALS, step_metrics, steps_spent, summary
from agentworld_dag.agents.rollout import gathered, outcome
from agentworld_dag.agents.settings import AgentRl
from agentworld_dag.agents.tools import ShellTool, task_row
from agentworld_dag.agents.trainer import AgentTrainer
from agentworld_dag.environments.protocol import Environment
from agentworld_dag.environments.tasks import KINDS, make_task, seed_of
from agentworld_dag.environments.terminal import real_terminal
from agentworld_dag.errors import ConfigError
from agentworld_dag.simulator.bundle import open_simulator
from agentworld_dag.simulator.engine import Engine
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.training.adapters import with_adapters
from agentworld_dag.training.checkpoints import load_checkpoint
from agentworld_dag.training.labelled_head import score_labels_only
from agentworld_dag.training.loop import train_to_end
from agentworld_dag.training.optimizer import optimizers
from agentworld_dag.training.trainer_arguments import group_arguments
from agentworld_dag.training.weights import save_trained
from agentworld_dag.trajectories.agent_chat import task_messages

SIMULATED, REAL, SCARCE = "sim_rl", "real_rl", "real_rl_scarce"
FIRST_INDEX = 1_000_000
"""Training instances below this are in the world model's data: practice meets others."""


@dataclass(frozen=True)
class World:
    """Where an arm practises."""

    make: Callable[[], Environment]
    seed: Callable[[int], None]
    engine: Engine | None
    """Of the simulator; None in the real shell."""

    @property
    def tokens(self) -> int:
        """Read and written by the simulator so far."""
        return self.engine.tokens if self.engine else 0

    @property
    def counts(self) -> dict[str, int]:
        """What outgrew the simulator's context, since this process began."""
        return self.engine.window.counts if self.engine else {}


def work(stage: Stage) -> dict[str, Any]:
    with _world(stage, _arm(stage)) as world:
        return _practised(stage, world)


def _practised(stage: Stage, world: World) -> dict[str, Any]:
    started = time.monotonic()
    tools: list[ShellTool] = []
    model, tokenizer = load_checkpoint(stage.inputs["agent_base"] / "checkpoint")
    trainer = _trainer(stage, world, model, AgentEncoder(tokenizer), tools)
    try:
        train_to_end(trainer, stage)
    finally:
        asyncio.run(gathered([tool.environment.close() for tool in tools]))
        stage.meter.count_tokens(world.tokens * stage.ranks.count)  # the others' are about as many
    save_trained(trainer, stage, tokenizer)
    found, counts = summary(trainer.state.log_history), stage.ranks.each(world.counts)
    cut = {name: sum(each[name] for each in counts) for name in world.counts}
    real_steps = 0 if world.engine else found["environment_steps"]
    sim_steps = found["environment_steps"] - real_steps
    steps = {"real_steps": real_steps, "sim_steps": sim_steps}
    return {**found, **cut, **steps, "seconds": time.monotonic() - started}


def _trainer(
    stage: Stage, world: World, model: PreTrainedModel, encoder: AgentEncoder, tools: list[ShellTool]
) -> AgentTrainer:
    """The trainer of a stage; the tools it comes to use are added to `tools`, for someone to close."""
    agent = stage.preset.agent

    def new_tool() -> ShellTool:
        tools.append(ShellTool(world.make(), agent.max_turns))
        return tools[-1]

    set_seed(stage.seed)
    stop = [StopWhenSpent(agent.rl.scarce_real_steps)] if _arm(stage) == SCARCE else []
    trainer = AgentTrainer(
        model=with_adapters(model, agent.rl.lora),
        encoder=encoder,
        agent=agent,
        seed_environments=world.seed,
        args=_arguments(stage),
        reward_funcs=goal_reward(stage.ranks.count),
        environment_factory=new_tool,
        train_dataset=Dataset.from_list(task_rows(agent.rl, stage.seed)),
        optimizers=optimizers(model, agent.rl.optimizer, agent.rl.learning_rate),
        callbacks=stop,
    )
    score_labels_only(model, agent.rl.temperature)
    return trainer


def task_rows(settings: AgentRl, seed: int) -> list[dict[str, Any]]:
    """One row per task in the order of use. Kinds take turns, so each step is as balanced as its size allows."""
    kinds = tuple(KINDS)
    count = settings.steps * settings.tasks_per_step
    first = FIRST_INDEX + seed * count
    tasks = [make_task("train", first + i, kinds[i % len(kinds)]) for i in range(count)]
    return [
        {"prompt": task_messages(task.instruction), **task_row(task, seed_of("practice", seed, task.id))}
        for task in tasks
    ]


def goal_reward(processes: int) -> Any:
    """TRL's reward function: 1 where the task is solved on the environment's own state."""

    async def goal(environments: list[ShellTool], log_metric: Callable[[str, float], None], **_: Any) -> list[float]:
        rollouts = await gathered([outcome(tool) for tool in environments])
        for name, value in step_metrics(rollouts).items():
            # TRL logs the mean over processes.
            log_metric(name, value * processes if name in TOTALS else value)
        return [float(rollout.success) for rollout in rollouts]

    return goal


class StopWhenSpent(TrainerCallback):
    """Ends training after the step that has spent a budget of environment steps."""

    def __init__(self, budget: int) -> None:
        self._budget = budget

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if steps_spent(state.log_history) >= self._budget:
            control.should_training_stop = True
            # From a checkpoint taken here a resumed run would take one step more.
            control.should_save = False


def _arm(stage: Stage) -> str:
    arms = (SIMULATED, REAL, SCARCE)
    if (arm := stage.options.get("arm")) not in arms:
        raise ConfigError(f"--option arm={arm}: expected one of {', '.join(arms)}")
    return arm


@contextmanager
def _world(stage: Stage, arm: str) -> Iterator[World]:
    if arm == SIMULATED:
        with open_simulator(stage.inputs["simulator"], stage.seed, stage.preset.serving) as simulator:
            yield World(simulator.environment, simulator.engine.seed, simulator.engine)
    else:
        yield World(partial(real_terminal, stage.preset.collection), seed=lambda seed: None, engine=None)


def _arguments(stage: Stage) -> GRPOConfig:
    settings = stage.preset.agent.rl
    return GRPOConfig(
        **group_arguments(stage, settings, settings.tasks_per_step),
        max_completion_length=stage.preset.model.max_tokens,
        max_tool_calling_iterations=stage.preset.agent.max_turns,
        chat_template_kwargs={"enable_thinking": False},
        shuffle_dataset=False,
        remove_unused_columns=False,
        vllm_importance_sampling_correction=False,  # it needs vLLM's own probabilities of whole conversations
    )


if __name__ == "__main__":
    run_stage(work)
