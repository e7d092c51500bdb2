"""What each stage that trains has to do: tokens trained on, read and written, and what is in memory at once.

Upper bounds by the preset's own limits: every answer is as long as it may be,
every episode takes all its turns, every row of a group is trained on. Stages
that only collect, answer or score are left out, and so are judges.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agentworld_dag.config import Preset
from agentworld_dag.training.settings import GroupRl, Supervised


@dataclass(frozen=True)
class Workload:
    """Of a whole stage, over all its machines."""

    optimizer: Literal["muon", "adamw"]
    trained_tokens: int
    tokens_per_pass: int
    longest_tokens: int
    """Of a sequence, which no pass can be smaller than."""
    sequence_tokens: int
    """Mean, for the cost of attention."""
    read_tokens: int = 0
    """By engines, a beginning that sequences share once."""
    written_tokens: int = 0
    cached_tokens: int = 0
    """Of one of the policy's sequences while it is generated; 0 where nothing is."""
    simulator_cached_tokens: int = 0
    """Of one answer of a simulator in the same process; 0 where there is none."""
    engine_gpus: int = 1
    """That share one copy of the policy's engine."""


def workloads(preset: Preset) -> Mapping[str, Workload]:
    """By script. Practice is in the simulator; in the real shell it needs less."""
    agent, lengths = preset.agent, preset.plan.lengths
    return {
        "training.cpt": _supervised(preset, preset.cpt, preset.cpt.packed_tokens, preset.cpt.packed_tokens),
        "training.sft": _supervised(preset, preset.sft, preset.model.max_tokens, lengths.sample),
        "training.world_model_rl": _world_model_rl(preset),
        "agents.imitation": _supervised(preset, agent.imitation, preset.model.max_tokens, lengths.sample),
        "agents.agent_rl": _practice(preset),
    }


def _supervised(preset: Preset, settings: Supervised, longest: int, sequence: int) -> Workload:
    return Workload(
        optimizer=settings.optimizer,
        trained_tokens=settings.steps * settings.tokens_per_step,
        tokens_per_pass=settings.tokens_per_step // settings.passes_per_step,
        longest_tokens=min(longest, preset.model.max_tokens),
        sequence_tokens=sequence,
    )


def _world_model_rl(preset: Preset) -> Workload:
    settings, prompt = preset.world_model_rl, preset.plan.lengths.world_model_prompt
    row = prompt + settings.max_new_tokens
    rows = settings.prompts_per_step * settings.group_size
    return Workload(
        **_passes(preset, settings, rows, row),
        read_tokens=settings.steps * settings.prompts_per_step * prompt,
        written_tokens=settings.steps * rows * settings.max_new_tokens,
        cached_tokens=row,
    )


def _practice(preset: Preset) -> Workload:
    """The agent reads its episode once; the simulator reads a state of its own at every turn."""
    agent, lengths, simulator = preset.agent, preset.plan.lengths, preset.simulator
    rows = agent.rl.tasks_per_step * agent.rl.group_size
    asked = lengths.agent_episode + agent.max_turns * lengths.world_model_prompt
    answered = agent.max_turns * (agent.max_new_tokens + simulator.max_new_tokens)
    return Workload(
        **_passes(preset, agent.rl, rows, lengths.agent_episode),
        read_tokens=agent.rl.steps * rows * asked,
        written_tokens=agent.rl.steps * rows * answered,
        cached_tokens=lengths.agent_episode,
        simulator_cached_tokens=lengths.world_model_prompt + simulator.max_new_tokens,
    )


def _passes(preset: Preset, settings: GroupRl, rows: int, row_tokens: int) -> dict:
    return {
        "optimizer": settings.optimizer,
        "trained_tokens": settings.steps * rows * row_tokens,
        "tokens_per_pass": rows * row_tokens // settings.passes_per_step,
        "longest_tokens": preset.model.max_tokens,
        "sequence_tokens": row_tokens,
        "engine_gpus": settings.generation.tensor_parallel,
    }
