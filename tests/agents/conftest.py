from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.agents import demonstrations, imitation
from agentworld_dag.agents.encoder import AgentEncoder
from agentworld_dag.agents.settings import Agent
from agentworld_dag.environments.protocol import Task
from agentworld_dag.environments.terminal import RealTerminal
from agentworld_dag.stage import Stage
from agentworld_dag.training.checkpoints import load_checkpoint
from tests.small_loop import base, new_stage, small_preset, splits, stage

__all__ = ["base", "splits", "stage"]

WRITE = Task("t", "write", "write gold to memo", "cwd=~\nlist=red", "cwd=~\nlist=red\nmemo=gold", ("cwd",))


def small_agent(**changes: Any) -> Agent:
    """A handful of steps, and few episodes in each."""
    agent = small_preset().agent
    imitation = {"steps": 4, "save_every_steps": 2, "tokens_per_step": 256}
    rl = {"steps": 4, "save_every_steps": 2, "tasks_per_step": 2, "group_size": 4, "passes_per_step": 2}
    small = {
        "demonstrations": 6,
        "max_turns": 2,
        "max_new_tokens": 24,
        "imitation": agent.imitation.model_copy(update=imitation),
        "rl": agent.rl.model_copy(update=rl),
    }
    return agent.model_copy(update={**small, **changes})


@pytest.fixture
def terminal() -> RealTerminal:
    return RealTerminal(action_timeout_s=2.0, max_observation_chars=400)


@pytest.fixture(scope="session")
def encoder(base: Path) -> AgentEncoder:
    return AgentEncoder(load_checkpoint(base / "checkpoint")[1])


@pytest.fixture(scope="session")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of six real demonstrations."""
    out = tmp_path_factory.mktemp("agent_demonstrations")
    demonstrations.work(new_stage(out, {}, agent=small_agent(max_turns=4)))
    return out


@pytest.fixture(scope="session")
def imitator(tmp_path_factory: pytest.TempPathFactory, base: Path, demonstrated: Path) -> Path:
    """The folder of an agent that has learned to call its tool, if not to solve much."""
    out = tmp_path_factory.mktemp("agent_base")
    settings = small_agent().imitation.model_copy(update={"steps": 60, "save_every_steps": 60, "learning_rate": 2e-2})
    inputs = {"start": base, "agent_demonstrations": demonstrated}
    imitation.work(new_stage(out, inputs, agent=small_agent(imitation=settings)))
    return out


@pytest.fixture
def agent_stage(stage: Callable[..., Stage]) -> Callable[..., Stage]:
    """Builds a stage on the small agent with options, as `--option` would give them."""

    def build(name: str, inputs: dict[str, Path], options: dict[str, str], **agent: Any) -> Stage:
        built = stage(name, inputs, agent=small_agent(**agent))
        built.options.update(options)
        return built

    return build
