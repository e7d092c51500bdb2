"""One stage on the machines it asks for: what the plan's arithmetic is done on, and varied to find what would fit."""

from dataclasses import dataclass

from agentworld_dag.compute import Needs
from agentworld_dag.config import Preset
from agentworld_dag.errors import ConfigError
from agentworld_dag.prices import Prices
from agentworld_dag.scale.settings import Plan
from agentworld_dag.scale.workload import Workload, workloads
from agentworld_dag.training.settings import Model


@dataclass(frozen=True)
class Case:
    stage: str
    model: Model
    work: Workload
    needs: Needs
    plan: Plan
    prices: Prices

    @property
    def gpus(self) -> int:
        """In all; 0 for a stage that runs on a processor."""
        return self.needs.nodes * self.needs.gpus

    @property
    def devices(self) -> int:
        """That the tokens of a pass are spread over."""
        return self.gpus or self.needs.nodes

    @property
    def on_gpu(self) -> bool:
        return self.gpus > 0

    @property
    def shards(self) -> int:
        """Parts that weights, gradients and moments are held in."""
        return 1 if self.needs.sharding == "replicated" else self.devices

    @property
    def sharded(self) -> bool:
        return self.shards > 1

    @property
    def memory_gib(self) -> float:
        """What one device has."""
        return self.plan.gpu.memory_gib if self.on_gpu and self.plan.gpu else self.needs.memory_gib

    @property
    def peak_flops(self) -> float:
        """Of all devices, a second."""
        each = self.plan.gpu.tflops if self.on_gpu and self.plan.gpu else self.plan.node_tflops
        return each * 1e12 * self.devices

    @property
    def tokens_per_device(self) -> float:
        """In one pass: its share of the tokens, but no less than the longest sequence or its part of one."""
        longest = self.work.longest_tokens / self.plan.sequence_gpus
        return max(self.work.tokens_per_pass / self.devices, longest)


def cases(preset: Preset, stage: str | None = None) -> list[Case]:
    """Every stage that trains, or the one named. Raises ConfigError."""
    work = workloads(preset)
    if stage is not None and stage not in work:
        raise ConfigError(f"stage {stage!r}: expected one that trains: {', '.join(work)}")
    return [_case(preset, name, work[name]) for name in ([stage] if stage else work)]


def _case(preset: Preset, stage: str, work: Workload) -> Case:
    case = Case(stage, preset.model, work, preset.compute.needs(stage), preset.plan, preset.prices)
    if case.on_gpu and preset.plan.gpu is None:
        raise ConfigError(f"{stage} asks for {case.gpus} GPUs and plan.gpu is null; say there which GPU it is")
    if case.devices % preset.plan.sequence_gpus:
        raise ConfigError(
            f"plan.sequence_gpus {preset.plan.sequence_gpus} does not divide the {case.devices} devices of {stage}"
        )
    return case
