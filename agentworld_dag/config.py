"""The typed preset: every setting of a run, bounded, each default in one place.

A preset is a YAML file under `infra/presets`. The tiny preset is written out
in full there; this module holds types and bounds, and no defaults, so a value
lives in exactly one file. Secrets never enter a preset: they come from the
environment.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from agentworld_dag.benchmark.settings import Benchmark
from agentworld_dag.compute import Compute
from agentworld_dag.errors import ConfigError
from agentworld_dag.monitoring.settings import Probe, Review, Watch
from agentworld_dag.prices import Prices
from agentworld_dag.rounds import EPISODES_PER_ROUND, FIRST_ROUND, LaterRounds, is_later, merged
from agentworld_dag.serving.settings import Serving
from agentworld_dag.settings import MAX_SEED, Count, Rate, Section, Seed, Share, Temperature

SHOWN_CHARS = 60
"""Of a value that is refused."""
UNMEASURED = frozenset({"watch", "prices", "probe", "review", "later_rounds", "compute"})
"""Sections that no number of a round's report depends on; it leaves them out."""


class Collection(Section):
    """How many real sessions are recorded, and how."""

    seed: Seed
    """Of what all runs of a preset share: the sessions, the split, the held-out turns and the evaluation tasks."""
    exploratory_episodes: Count
    task_episodes: Count
    turns_per_episode: Count
    expert_noise: Share
    """Share of the scripted expert's actions that are replaced by a random command."""
    workers: Count
    action_timeout_s: Rate
    max_observation_chars: Count

    @model_validator(mode="after")
    def _fit_a_round(self) -> Self:
        episodes = self.exploratory_episodes + self.task_episodes
        if episodes > EPISODES_PER_ROUND:
            raise ValueError(f"{episodes} episodes, a round has numbers for {EPISODES_PER_ROUND}")
        return self


class Splits(Section):
    """Shares of the clean trajectories; what is left over goes to SFT."""

    cpt: Share
    rl: Share
    validation: Share
    held_out: Share

    @property
    def start(self) -> float:
        """Share that CPT and SFT read: what stands behind the agent's start."""
        return 1 - self.rl - self.validation - self.held_out


class Model(Section):
    """A small Qwen3 built from scratch, or the directory of a real checkpoint."""

    checkpoint: Path | None
    vocab_size: Count
    hidden_size: Count
    layers: Count
    heads: Count
    head_size: Count
    feed_forward_size: Count
    max_tokens: Count
    rope_theta: Rate
    initial_scale: Rate
    """Standard deviation of untrained weights."""
    template: Literal["compact", "full"]
    """How prompts are rendered (`trajectories.render`): compact for tiny models, full for pretrained ones."""


class Supervised(Section):
    """One next-token stage: CPT, SFT or imitation."""

    optimizer: Literal["muon", "adamw"]
    learning_rate: Rate
    steps: Count
    tokens_per_step: Count
    passes_per_step: Count
    """Forward and backward passes whose gradients add up to one step."""
    threads: Count
    """Intra-op threads of this stage, in place of the preset's: the graph has stages beside which a core is idle."""
    save_every_steps: Count


class WorldModelCpt(Supervised):
    packed_tokens: Count
    """Trajectories are joined and cut into rows of this length."""


class WorldModelSft(Supervised):
    history_share: Share
    """Share of samples that show plain history instead of the state ledger."""
    rehearsal_share: Share
    """Share of samples, the first ones, whose trace is the whole next state instead of its patch."""


class GroupRl(Section):
    """RL whose baseline is the mean of a group: GSPO of the world model, GRPO of the agent."""

    optimizer: Literal["muon", "adamw"]
    learning_rate: Rate
    steps: Count
    group_size: Annotated[int, Field(ge=2)]
    passes_per_step: Count
    """Forward and backward passes over a step's rows; their number must divide the number of rows."""
    temperature: Temperature
    save_every_steps: Count


class WorldModelRl(GroupRl):
    """One turn per trajectory (paper section 3.4)."""

    prompts_per_step: Count
    max_new_tokens: Count
    rubric_weight: Share
    """Weight of the rubric; the rule gets the rest. Paper: 9:1."""
    judge_url: str | None
    """An OpenAI-compatible endpoint; null means the embedded reference-grounded rule judge."""
    judge_model: str | None

    @model_validator(mode="after")
    def _equal_passes(self) -> Self:
        _check_passes(self, self.prompts_per_step)
        return self


class Simulator(Section):
    mode: Literal["ledger", "history"]
    temperature: Annotated[float, Field(ge=0.0, le=2.0)]
    """0 decodes greedily."""
    max_new_tokens: Count
    gate_turns: Count
    """Validation turns behind the check `fidelity_above_copy_baseline`."""


class AgentRl(GroupRl):
    tasks_per_step: Count
    scarce_real_steps: Count
    """Budget of real environment steps for the scarce arm."""

    @model_validator(mode="after")
    def _equal_passes(self) -> Self:
        _check_passes(self, self.tasks_per_step)
        return self


class Agent(Section):
    demonstrations: Count
    demonstration_noise: Share
    max_turns: Count
    max_new_tokens: Count
    """Per turn of the agent."""
    imitation: Supervised
    rl: AgentRl


class Reliability(Section):
    """How far an answer of the simulator can be trusted: small counts, for every answer is asked for several times."""

    turns: Count
    """Held-out turns whose answers get a confidence, and are the recorded part of the error path."""
    consistency_samples: Count
    """Sampled answers per turn, with which the greedy one is compared."""
    planted_turns: Count
    """Held-out states in which a malformed, an empty and an illegal action are planted."""
    replay_episodes: Count
    replays: Annotated[int, Field(ge=2)]
    """How often the actions of each episode are replayed, at each temperature."""


class Evaluation(Section):
    fidelity_turns: Count
    drift_episodes: Count
    tasks: Count
    control_temperatures: tuple[Temperature, ...]
    """Sampled claims are repeated for the untrained side at these, to tell training from sharpening."""
    bootstrap_samples: Count
    reliability: Reliability


class Preset(Section):
    name: str
    threads: Count
    """Intra-op threads of each process that does not set its own."""
    collection: Collection
    splits: Splits
    model: Model
    cpt: WorldModelCpt
    sft: WorldModelSft
    world_model_rl: WorldModelRl
    simulator: Simulator
    agent: Agent
    evaluation: Evaluation
    benchmark: Benchmark
    serving: Serving
    probe: Probe
    review: Review
    watch: Watch
    later_rounds: LaterRounds
    prices: Prices
    compute: Compute


def _check_passes(settings: GroupRl, groups_per_step: int) -> None:
    rows = groups_per_step * settings.group_size
    if rows % settings.passes_per_step:
        raise ValueError(f"passes_per_step {settings.passes_per_step} does not divide the {rows} rows of a step")


def check_seed(seed: int) -> int:
    """The seed of a run, as it came. Raises ConfigError."""
    if not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"seed {seed}: expected a whole number from 0 to {MAX_SEED}")
    return seed


def load_preset(path: Path, round_name: str = FIRST_ROUND) -> Preset:
    """Read and check a preset as `round_name` has it. Raises ConfigError naming the file, the field and the bound."""
    later = is_later(round_name)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(
            f"no preset at {path}; presets in {path.parent}: {known}. Set PRESET to one of them or to a path"
        )
    try:
        written = yaml.safe_load(path.read_text())
        preset = Preset.model_validate(written)
        changed = Preset.model_validate(merged(written, preset.later_rounds.changes))
        return changed if later else preset
    except ValidationError as error:
        raise ConfigError(f"preset {path} is not usable: {_faults(error)}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"preset {path} is not usable: not YAML, {' '.join(str(error).split())}") from error


def _faults(error: ValidationError) -> str:
    """Every fault on one line: the field, what was expected, what was found."""
    found = [
        (".".join(map(str, fault["loc"])) or "the file", fault["msg"], str(fault["input"])[:SHOWN_CHARS])
        for fault in error.errors()
    ]
    return "; ".join(f"{field}: {message}, found {value!r}" for field, message, value in found)
