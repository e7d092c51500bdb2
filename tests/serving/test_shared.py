"""One server for two processes that train together over gloo. The vLLM in it is a fake."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentworld_dag.serving.server import PYTHON
from tests.serving.fake_vllm import ONLY_TOKEN, PIDS, install

PROCESS = """
import os, sys, time
from pathlib import Path
from agentworld_dag.errors import EndpointError
from agentworld_dag.process import die_with_parent
from agentworld_dag.serving.opening import open_engine
from tests.serving.fake_vllm import settings
die_with_parent()
try:
    with open_engine(Path(sys.argv[1]), 0, settings()) as engine:
        time.sleep(2 * int(os.environ["RANK"]))  # the first is done long before the second
        print(engine.generate_batch([[5, 6]], 2, 0.0))
except EndpointError as error:
    print(f"EndpointError: {error}")
"""


def two_processes(base: Path, fake: Path, behaviour: str) -> list[str]:
    """What they print."""
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "--tee=1"]
    (script := fake.with_suffix(".py")).write_text(PROCESS)
    environment = {name: value for name, value in os.environ.items() if name != PYTHON}
    environment |= {"PYTHONPATH": install(fake, behaviour), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*run, script, base / "checkpoint"], env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return [line.partition("]:")[2] for line in done.stdout.splitlines() if "]:" in line]


@pytest.mark.slow
def test_two_processes_ask_one_server_which_lives_until_both_are_done(base: Path, tmp_path: Path) -> None:
    assert two_processes(base, tmp_path / "fake", "healthy") == [str([[ONLY_TOKEN] * 2])] * 2
    [server] = (tmp_path / "fake" / PIDS).read_text().splitlines()
    assert not any(Path(f"/proc/{pid}").exists() for pid in server.split())


@pytest.mark.slow
def test_a_server_that_does_not_start_is_told_by_both(base: Path, tmp_path: Path) -> None:
    told = two_processes(base, tmp_path / "fake", "broken")
    assert len(told) == 2
    assert all(line.startswith("EndpointError: the vLLM server of ") for line in told)
