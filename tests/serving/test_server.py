"""Starting, finding and stopping servers. The processes are real; the vLLM in them is a fake."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.errors import ConfigError, EndpointError, ServerMemoryError
from agentworld_dag.serving import server as subject
from agentworld_dag.serving.engine import ServedEngine
from agentworld_dag.serving.opening import open_engine
from agentworld_dag.serving.server import KEY, PYTHON, serving
from agentworld_dag.training.checkpoints import load_tokenizer
from tests.serving.fake_vllm import ONLY_TOKEN, PIDS, WINDOW, faking, install, settings

PROMPTS = [[5, 6, number] for number in range(10)]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a fake vLLM of a behaviour where this interpreter finds it."""

    def put(behaviour: str) -> None:
        monkeypatch.setenv("PYTHONPATH", install(tmp_path / "fake", behaviour))

    monkeypatch.delenv(PYTHON, raising=False)
    return put


@pytest.fixture
def left_over(tmp_path: Path):
    """Process ids of the server and its child that are still there, after a few seconds for them to go."""

    def look() -> list[int]:
        pids = [int(pid) for pid in (tmp_path / "fake" / PIDS).read_text().split()]
        deadline = time.monotonic() + 5
        while (alive := [pid for pid in pids if lives(pid)]) and time.monotonic() < deadline:
            time.sleep(0.1)
        return alive

    return look


def start_and_stop(base: Path, **changes: Any) -> None:
    with serving(base / "checkpoint", settings(**changes)):
        pass


def die_in_the_middle(base: Path) -> None:
    with open_engine(base / "checkpoint", 0, settings()) as engine:
        engine.generate_batch(PROMPTS, 3, 0.0)


def lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_started_server_answers_and_leaves_nothing_behind(fake, left_over, base: Path) -> None:
    fake("healthy")
    with open_engine(base / "checkpoint", 0, settings()) as engine:
        assert engine.generate_batch(PROMPTS, 3, 0.0) == [[ONLY_TOKEN] * 3] * len(PROMPTS)
        assert engine.window.max_tokens == WINDOW - 1
    assert left_over() == []


def test_it_is_told_what_the_preset_says(fake, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = subject._command(base / "checkpoint", 1234, settings(max_tokens=512, options=("--dtype=float16",)))
    assert "--enable-prefix-caching" in command and "--max-model-len=512" in command
    assert f"--model={base / 'checkpoint'}" in command and "--generation-config=vllm" in command
    assert command.index("--dtype=float32") < command.index("--dtype=float16"), "the last one counts"


def test_a_server_that_does_not_start_is_one_line_with_its_reason(fake, left_over, base: Path) -> None:
    fake("broken")
    with pytest.raises(EndpointError, match=r"ended with code 1; its log ends with: RuntimeError: no room") as caught:
        start_and_stop(base)
    assert "\n" not in str(caught.value) and PYTHON in str(caught.value)
    assert left_over() == []


def test_a_server_that_had_too_little_memory_says_so(fake, base: Path) -> None:
    fake("full")
    with pytest.raises(ServerMemoryError, match=r"ran out of memory and ended with code 1; .* CUDA out of memory"):
        start_and_stop(base)


def test_a_server_that_is_never_healthy_is_given_up(fake, left_over, base: Path) -> None:
    fake("silent")
    with pytest.raises(EndpointError, match=r"not up within serving\.start_timeout_s = 10 s"):
        start_and_stop(base, start_timeout_s=10)
    assert left_over() == []


def test_a_server_that_dies_in_the_middle_is_one_line_with_its_reason(fake, left_over, base: Path) -> None:
    fake("mortal")
    with pytest.raises(EndpointError, match=r"ended with code 3; its log ends with: EngineDeadError") as caught:
        die_in_the_middle(base)
    assert "\n" not in str(caught.value)
    assert "make vllm" not in str(caught.value), "it has been up: the interpreter has vLLM"
    assert left_over() == []


STAGE = """
import sys, time
from pathlib import Path
from agentworld_dag.serving.server import serving
from tests.serving.fake_vllm import settings
with serving(Path(sys.argv[1]), settings()):
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_does_not_outlive_who_started_it(fake, left_over, base: Path, kind: int) -> None:
    fake("healthy")
    stage = subprocess.Popen([sys.executable, "-c", STAGE, str(base / "checkpoint")], stdout=subprocess.PIPE)
    assert stage.stdout and stage.stdout.readline() == b"up\n"
    stage.send_signal(kind)
    stage.wait(60)
    stage.stdout.close()
    assert left_over() == []


def test_a_server_does_not_outlive_its_keeper(fake, left_over, base: Path, tmp_path: Path) -> None:
    fake("healthy")
    with serving(base / "checkpoint", settings()):
        server = int((tmp_path / "fake" / PIDS).read_text().split()[0])
        os.kill(parent(server), signal.SIGKILL)
        assert left_over() == []


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_server_is_told_nothing_of_the_processes_of_its_stage(
    fake, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("healthy")
    of_torchrun = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID"}
    for name in of_torchrun:
        monkeypatch.setenv(name, "1")
    with serving(base / "checkpoint", settings()):
        server = (tmp_path / "fake" / PIDS).read_text().split()[0]
        told = Path(f"/proc/{server}/environ").read_bytes().split(b"\0")
    assert not {line.partition(b"=")[0].decode() for line in told} & of_torchrun


def test_a_missing_interpreter_is_named(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON, "/nowhere/python")
    with pytest.raises(ConfigError, match=f"{PYTHON} names no interpreter: /nowhere/python"):
        start_and_stop(base)


def test_an_interpreter_without_vllm_says_so(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON, sys.executable)
    with pytest.raises(EndpointError, match=r"No module named 'vllm'.*make vllm"):
        start_and_stop(base)


def test_a_server_that_runs_is_used_where_it_has_the_checkpoint(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret")
    elsewhere = Path("/mnt/lake").joinpath(*(base / "checkpoint").parts[-2:])
    with faking(elsewhere, lambda _: {"token_ids": [ONLY_TOKEN]}, key="secret") as running:
        chosen = settings(url=f"{running.url}/")
        with serving(base / "checkpoint", chosen) as found:
            assert (found.url, found.model, found.max_tokens) == (running.url, "tiny", WINDOW)
            assert "secret" not in repr(found)
            with ServedEngine(found, load_tokenizer(base / "checkpoint"), 0, chosen) as engine:
                engine.generate_batch(PROMPTS[:1], 1, 0.0)
        assert running.keys == ["Bearer secret"]


def test_for_another_checkpoint_a_server_is_started(fake, left_over, base: Path) -> None:
    fake("healthy")
    with (
        faking(Path("/lake/another/checkpoint"), lambda _: {"token_ids": [1]}) as running,
        serving(base / "checkpoint", settings(url=running.url)) as found,
    ):
        assert found.url != running.url
    assert left_over() == []


def test_an_address_that_does_not_answer_is_one_clear_error(base: Path) -> None:
    with pytest.raises(
        EndpointError, match=r"no vLLM server answers at http://127\.0\.0\.1:1/v1 .*serving\.url to null"
    ):
        start_and_stop(base, url="http://127.0.0.1:1/v1")


def test_a_wrong_key_is_told_apart(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "wrong")
    said = f"answers HTTP 401; is it vLLM's, and {KEY} its key"
    with (
        faking(base / "checkpoint", lambda _: {}, key="right") as running,
        pytest.raises(EndpointError, match=said) as caught,
    ):
        start_and_stop(base, url=running.url)
    assert "wrong" not in str(caught.value)


def test_keys_of_started_servers_are_not_on_their_command_line(fake, base: Path) -> None:
    fake("healthy")
    with serving(base / "checkpoint", settings()) as found:
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
        assert found.key and not any(found.key.encode() in line for line in lines)
