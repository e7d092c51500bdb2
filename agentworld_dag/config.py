"""The typed preset: every setting of a run, bounded, each default in one place.

A preset is a YAML file under `infra/presets`. The tiny preset is written out
in full there; another one may say `extends: tiny` and only what differs.
Modules hold types and bounds, and no defaults, so a value lives in files that
people edit. Secrets never enter a preset: they come from the environment.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from agentworld_dag.agents.settings import Agent
from agentworld_dag.benchmark.settings import Benchmark
from agentworld_dag.compute import TRAINING, Compute
from agentworld_dag.errors import ConfigError
from agentworld_dag.home import PRESETS
from agentworld_dag.monitoring.settings import Probe, Review, Watch
from agentworld_dag.prices import Prices
from agentworld_dag.rounds import EPISODES_PER_ROUND, FIRST_ROUND, LaterRounds, is_later, merged
from agentworld_dag.scale.settings import Plan
from agentworld_dag.serving.settings import Serving
from agentworld_dag.settings import MAX_SEED, Count, Rate, Section, Seed, Share, Temperature
from agentworld_dag.training.settings import GroupRl, Model, Supervised, WorldModelCpt, WorldModelRl, WorldModelSft

SHOWN_CHARS = 60
"""Of a value that is refused."""
EXTENDS = "extends"
"""Key under which a preset names another, beside it or under `infra/presets`: what it does not say is as there."""
UNMEASURED = frozenset({"watch", "prices", "probe", "review", "later_rounds", "compute", "plan"})
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


class Simulator(Section):
    mode: Literal["ledger", "history"]
    temperature: Annotated[float, Field(ge=0.0, le=2.0)]
    """0 decodes greedily."""
    max_new_tokens: Count
    gate_turns: Count
    """Validation turns behind the check `fidelity_above_copy_baseline`."""


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
    plan: Plan

    @model_validator(mode="after")
    def _shards_can_be_trained(self) -> Self:
        trained = (self.cpt, self.sft, self.world_model_rl, self.agent.imitation, self.agent.rl)
        for stage, settings in zip(TRAINING, trained, strict=True):
            if self.compute.needs(stage).sharding != "replicated":
                _check_shards(stage, settings)
        return self

    @model_validator(mode="after")
    def _engines_share_out_the_processes(self) -> Self:
        for stage, settings in (("training.world_model_rl", self.world_model_rl), ("agents.agent_rl", self.agent.rl)):
            shared, ranks = settings.generation.tensor_parallel, self.compute.needs(stage).ranks
            if ranks % shared:
                raise ValueError(
                    f"generation.tensor_parallel {shared} does not divide the {ranks} processes of {stage}"
                )
        return self


def _check_shards(stage: str, settings: Supervised | GroupRl) -> None:
    if settings.optimizer == "muon":
        raise ValueError(f"{stage} shards its weights, and muon needs whole matrices: set its optimizer to adamw")
    if isinstance(settings, GroupRl) and settings.generation.engine == "transformers":
        # Answers differ in length: processes that hold parts of one model could not write them side by side.
        raise ValueError(f"{stage} shards the model that writes the answers: set its generation.engine to colocate")


def check_seed(seed: int) -> int:
    """The seed of a run, as it came. Raises ConfigError."""
    if not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"seed {seed}: expected a whole number from 0 to {MAX_SEED}")
    return seed


def load_preset(path: Path, round_name: str = FIRST_ROUND) -> Preset:
    """Read and check a preset as `round_name` has it. Raises ConfigError naming the file, the field and the bound."""
    later = is_later(round_name)
    written = _written(path)
    try:
        preset = Preset.model_validate(written)
        changed = Preset.model_validate(merged(written, preset.later_rounds.changes))
        return changed if later else preset
    except ValidationError as error:
        raise ConfigError(f"preset {path} is not usable: {_faults(error)}") from error


def _written(path: Path, extended_by: tuple[Path, ...] = ()) -> Any:
    """What the file says, over what the preset says that it extends."""
    if path in extended_by:
        chain = " extends ".join(each.name for each in (*extended_by, path))
        raise ConfigError(f"preset {extended_by[0]} is not usable: {chain}, which never ends")
    fields = _read(path, f", which {extended_by[-1]} extends" if extended_by else "")
    if not isinstance(fields, dict) or EXTENDS not in fields:
        return fields
    name = fields.pop(EXTENDS)
    beside = path.parent / f"{name}.yaml"
    base = _written(beside if beside.is_file() else PRESETS / f"{name}.yaml", (*extended_by, path))
    if not isinstance(base, dict):
        raise ConfigError(f"preset {path} is not usable: it extends {name}, which holds no settings")
    return merged(base, fields)


def _read(path: Path, wanted: str) -> Any:
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise ConfigError(
            f"no preset at {path}{wanted}; presets in {path.parent}: {known}. Set PRESET to one of them or to a path"
        )
    try:
        return yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"preset {path} is not usable: not YAML, {' '.join(str(error).split())}") from error


def _faults(error: ValidationError) -> str:
    """Every fault on one line: the field, what was expected, what was found."""
    found = [
        (".".join(map(str, fault["loc"])) or "the file", fault["msg"], str(fault["input"])[:SHOWN_CHARS])
        for fault in error.errors()
    ]
    return "; ".join(f"{field}: {message}, found {value!r}" for field, message, value in found)
