"""Floating-point operations that a run's tokens ask of the model, and what a machine could do in that time.

The count is that of `agentworld plan` (6 operations per parameter and token,
attention by the mean length of a sample, nothing for padding and for what is
computed again), so an MFU measured here can be written into `plan.mfu`.
"""

import time
from dataclasses import replace

import torch

from agentworld_dag.config import Preset
from agentworld_dag.scale.case import cases
from agentworld_dag.scale.effort import HOUR_S, effort
from agentworld_dag.scale.settings import Mfu

ALL = Mfu(training=1.0, reading=1.0, writing=1.0)
PRODUCT_SIZE, PRODUCTS = 2048, 10


def operations(
    preset: Preset, stage: str, trained: float, sequence: float, read: float = 0.0, written: float = 0.0
) -> float:
    """Of so many tokens in sequences of that mean length: `agentworld plan`'s seconds at the peak, times the peak."""
    case = cases(preset, stage)[0]
    work = replace(
        case.work,
        trained_tokens=round(trained),
        sequence_tokens=round(sequence),
        read_tokens=round(read),
        written_tokens=round(written),
    )
    found = effort(replace(case, work=work, plan=case.plan.model_copy(update={"mfu": ALL})))
    return (found.training_h + found.reading_h + found.writing_h) * HOUR_S * case.peak_flops


def peak(preset: Preset) -> tuple[float, str]:
    """Operations a second that MFU is a share of, and where the number is from."""
    if torch.cuda.is_available() and preset.plan.gpu:
        return preset.plan.gpu.tflops * 1e12, f"{preset.plan.gpu.name}'s data sheet (`plan.gpu`)"
    measured = measured_peak("cuda" if torch.cuda.is_available() else "cpu")
    return measured, f"the best of {PRODUCTS} products of {PRODUCT_SIZE} x {PRODUCT_SIZE} bfloat16 matrices here"


def measured_peak(device: str) -> float:
    matrix = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE, device=device, dtype=torch.bfloat16)
    return 2 * PRODUCT_SIZE**3 / min(_seconds(matrix) for _ in range(PRODUCTS))


def _seconds(matrix: torch.Tensor) -> float:
    began = time.monotonic()
    product = matrix @ matrix
    _ = product[0, 0].item()  # waits for a GPU
    return time.monotonic() - began
