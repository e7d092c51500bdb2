"""The preset's section `compute`: what a stage asks of the machines it runs on.

Every launcher reads the same request and says in its own words what it makes of
it; a laptop takes note of none. No artifact is made again for another request.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from agentworld_dag.settings import Count, Rate, Section

NoneOrMore = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]


TRAINING = ("training.cpt", "training.sft", "training.world_model_rl", "agents.imitation", "agents.agent_rl")
"""The scripts that can run as several processes."""
TRAINED = ", ".join(TRAINING)


class Needs(Section):
    """Of one stage. Amounts are per node."""

    nodes: Count
    """Stages that do not train have one."""
    gpus: NoneOrMore
    cpus: Count
    memory_gib: Rate
    time_limit_s: Count
    """After which the stage is asked to stop, and ends as one that took too long."""
    grace_s: Count
    """From being asked to stop to being killed: long enough to write a checkpoint."""
    queue: Text | None
    """Slurm's partition, Kueue's local queue on Kubernetes; null means the cluster's default."""
    image: Text | None
    """Of a container, where the cluster runs such; null means the one it was set up with."""
    resumes: NoneOrMore
    """How often a stage that was pre-empted, or lost its machine, is started again within one step."""
    processes: Count
    """That train together on each node: as many as GPUs, as a rule. Stages that do not train have one."""
    sharding: Literal["replicated", "fsdp2", "zero3"]
    """What each of them holds: the whole model, or its part by PyTorch's FSDP2 or DeepSpeed's ZeRO stage 3."""
    recompute_activations: bool
    """In the backward pass, in place of keeping them: less memory for about a third more computing."""

    @property
    def ranks(self) -> int:
        """Processes in all."""
        return self.nodes * self.processes


class Compute(Section):
    default: Needs
    stages: dict[str, dict[str, Any]]
    """Script below the package, such as `training.sft` -> fields of `default` that differ for it."""

    @model_validator(mode="after")
    def _stages_exist_and_fit(self) -> Self:
        # Not so processes: what is not named starts as one whatever the default says.
        _check_is_one("default.nodes", self.default.nodes)
        for stage in dict.fromkeys((*self.stages, *TRAINING)):
            if not _is_script(stage):
                raise ValueError(f"stages.{stage} names no script, expected one such as training.sft")
            _check_processes(stage, self.needs(stage))
        return self

    def needs(self, module: str) -> Needs:
        """What a script asks for; `module` with or without the package's name."""
        changes = self.stages.get(module.removeprefix("agentworld_dag."), {})
        return Needs.model_validate(_changed(self.default.model_dump(), changes))


def is_training(module: str) -> bool:
    return module.removeprefix("agentworld_dag.") in TRAINING


def _check_processes(stage: str, needs: Needs) -> None:
    if stage not in TRAINING:
        _check_is_one(f"stages.{stage}.nodes", needs.nodes)
        _check_is_one(f"stages.{stage}.processes", needs.processes)
    elif needs.gpus and needs.processes != needs.gpus:
        found = f"stages.{stage}.processes is {needs.processes}"
        raise ValueError(f"{found}, expected one for each GPU, {needs.gpus}")


def _check_is_one(place: str, found: int) -> None:
    if found > 1:
        raise ValueError(f"{place} is {found}, expected 1: only the stages that train ({TRAINED}) have more")


def _changed(default: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {**default, **changes}


def _is_script(stage: str) -> bool:
    return Path(__file__).parent.joinpath(*stage.split(".")).with_suffix(".py").is_file()
