"""What is measured of a process, and how it is written down."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from agentworld_dag import cost
from agentworld_dag.cost import COST, Meter, Use, priced, process_started_at
from agentworld_dag.prices import Prices

PRICES = Prices(
    currency="EUR", cpu_core_hour=0.5, gpu_hour=4.0, million_prompt_tokens=2.0, million_completion_tokens=8.0
)


def test_money_is_amounts_times_prices() -> None:
    used = Use(seconds=9.0, gpu_s=1800.0, cpu_core_s=7200.0, tokens=9, prompt_tokens=500_000, completion_tokens=250_000)
    assert priced(used, PRICES) == vars(used) | {"money": 2.0 + 1.0 + 1.0 + 2.0, "currency": "EUR"}


def test_lines_add_up_to_what_the_process_used(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    meter.count_tokens(5)
    meter.record()
    first = meter.total()
    meter.count_calls(30, 4)
    meter.record()
    total = meter.total()
    assert (first.tokens, total.tokens, total.prompt_tokens, total.completion_tokens) == (5, 39, 30, 4)
    assert 0 < first.seconds < total.seconds <= time.time() - process_started_at()
    assert len((tmp_path / COST).read_text().splitlines()) == 2


def test_the_gpus_of_all_nodes_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_visible_gpus", lambda: 8)
    meter = Meter(tmp_path, nodes=2)
    meter.record()
    assert meter.total().gpu_s == pytest.approx(16 * meter.total().seconds)


def test_what_children_computed_counts(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    meter.record()
    before = meter.total().cpu_core_s
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    meter.record()
    assert meter.total().cpu_core_s - before > 0.3


def test_a_failure_is_written_down_too(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    with pytest.raises(RuntimeError), meter.recording():
        meter.count_tokens(7)
        raise RuntimeError
    assert Meter(tmp_path).total().tokens == 7


@pytest.mark.parametrize(("available", "gpus"), [(True, 2), (False, 0)])
def test_seconds_count_once_for_every_gpu_in_sight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, available: bool, gpus: int
) -> None:
    cuda = SimpleNamespace(is_available=lambda: available, device_count=lambda: 2)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    meter = Meter(tmp_path)
    meter.record()
    meter.record()
    used = meter.total()
    assert used.gpu_s == pytest.approx(gpus * used.seconds)
