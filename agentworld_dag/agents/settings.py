"""The preset's section `agent`: how a policy imitates and practises."""

from typing import Self

from pydantic import model_validator

from agentworld_dag.settings import Count, Section, Share
from agentworld_dag.training.settings import GroupRl, Supervised, check_passes


class AgentRl(GroupRl):
    tasks_per_step: Count
    scarce_real_steps: Count
    """Budget of real environment steps for the scarce arm."""

    @model_validator(mode="after")
    def _equal_passes(self) -> Self:
        check_passes(self, self.tasks_per_step)
        if self.generation.engine == "server":
            raise ValueError("generation.engine 'server': turns of episodes are written by transformers or colocate")
        return self


class Agent(Section):
    demonstrations: Count
    demonstration_noise: Share
    max_turns: Count
    max_new_tokens: Count
    """Per turn of the agent."""
    imitation: Supervised
    rl: AgentRl
