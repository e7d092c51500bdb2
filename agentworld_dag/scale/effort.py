"""Hours and money of a stage, from the floating-point operations of its model.

A token costs a forward pass two operations per parameter it meets, and
attention two per query feature and position it sees, half the sequence on
average; a backward pass costs twice a forward one (PaLM, arXiv 2204.02311,
appendix B, less the half that a causal mask leaves out). What is recomputed is
no work of the model's and is in the utilisation. Sharded weights travel three
times in each pass: gathered for the forward and the backward pass, and their
gradients reduced (ZeRO, arXiv 1910.02054, section 7); that goes on beside the
computation, and the slower of the two counts. Linear attention's own products,
the optimizer, handing weights to engines, start-up, waiting for environments
and judges are left out.
"""

from dataclasses import dataclass

from agentworld_dag.scale.case import Case
from agentworld_dag.scale.memory import CAST
from agentworld_dag.scale.shape import full_layers, parameters, query_size

HOUR_S = 3600
TIMES_MOVED = 3


@dataclass(frozen=True)
class Effort:
    """Hours of wall time, and money in the preset's currency."""

    training_h: float
    moving_h: float
    """Of weights and gradients between GPUs, meanwhile."""
    reading_h: float
    """Of prompts, by engines."""
    writing_h: float
    hourly: float
    """Price of all machines."""

    @property
    def hours(self) -> float:
        return max(self.training_h, self.moving_h) + self.reading_h + self.writing_h

    @property
    def money(self) -> float:
        return self.hours * self.hourly


def effort(case: Case) -> Effort:
    work, mfu = case.work, case.plan.mfu
    trained = 3 * work.trained_tokens * _forward(case, work.sequence_tokens)
    read = work.read_tokens * _forward(case, work.sequence_tokens)
    written = work.written_tokens * _forward(case, 2 * work.sequence_tokens)  # each sees the whole sequence before it
    return Effort(
        training_h=_hours(case, trained, mfu.training),
        moving_h=_moving_h(case),
        reading_h=_hours(case, read, mfu.reading),
        writing_h=_hours(case, written, mfu.writing),
        hourly=_hourly(case),
    )


def _forward(case: Case, sequence_tokens: int) -> float:
    """Operations of one token."""
    attention = 2 * full_layers(case.model) * query_size(case.model) * sequence_tokens
    return 2 * parameters(case.model).multiplied + attention


def _hours(case: Case, operations: float, utilisation: float) -> float:
    return operations / (case.peak_flops * utilisation) / HOUR_S


def _moving_h(case: Case) -> float:
    if not (case.sharded and case.on_gpu and case.plan.gpu):
        return 0.0
    passes = case.work.trained_tokens / (case.tokens_per_device * case.devices)
    moved = TIMES_MOVED * CAST * parameters(case.model).total
    return passes * moved / (case.plan.gpu.gather_gb_s * 1e9) / HOUR_S


def _hourly(case: Case) -> float:
    """GPUs carry the price of their node; without them every core asked for is at work."""
    if case.on_gpu:
        return case.gpus * case.prices.gpu_hour
    return case.needs.nodes * case.needs.cpus * case.prices.cpu_core_hour
