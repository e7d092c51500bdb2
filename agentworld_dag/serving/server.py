"""A vLLM server for one checkpoint: found at the preset's address, or started here and stopped afterwards.

A started one listens on a free port of this machine, behind a key that only
the stage knows, with prefix caching on. It belongs to the process of the
stage, for the stage knows when it is done and runs where the GPUs are. To
share one between stages, start it by hand and name its address.
"""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentworld_dag.errors import ConfigError, EndpointError, ServerMemoryError
from agentworld_dag.serving import keeper
from agentworld_dag.serving.settings import Serving

PYTHON = "AGENTWORLD_VLLM_PYTHON"
"""The interpreter that has vLLM, where it is not this one: `make vllm` makes one for CPUs."""
KEY = "AGENTWORLD_MODEL_API_KEY"
SHOWN_CHARS, SHOWN_LINES = 1200, 4
LOOK_EVERY_S, CALL_TIMEOUT_S = 0.5, 10.0
OF_TORCHRUN = re.compile(
    r"(LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE)|ROLE_NAME|MASTER_(ADDR|PORT)|(TORCHELASTIC|PET|ACCELERATE|FSDP)_.*"
)
"""Variables that a stage of several processes has: vLLM would take its place among these for one among its own."""
OUT_OF_MEMORY = re.compile(r"out of memory|No available memory for the cache blocks|Free memory on device", re.I)


@dataclass(frozen=True)
class Server:
    """Where a checkpoint answers."""

    url: str
    """Base address, up to and including /v1."""
    model: str
    """The checkpoint's name there."""
    max_tokens: int
    """Of a prompt and its answer."""
    key: str = field(repr=False)
    ended: Callable[[], EndpointError | None]
    """Why it is gone, as far as this process can know; None while it is not."""


def unknown() -> None:
    """Of a server that another process has started."""


@contextmanager
def serving(checkpoint: Path, settings: Serving) -> Iterator[Server]:
    """A server that has `checkpoint` loaded.

    Raises EndpointError when the address of the preset does not answer, or a server does not start.
    """
    if settings.url and (found := _attached(checkpoint, settings.url.rstrip("/"))):
        yield found
        return
    with started(checkpoint, settings) as server:
        yield server


@contextmanager
def started(checkpoint: Path, settings: Serving) -> Iterator[Server]:
    """A server of our own; it and all that it started are gone afterwards, also when this process is killed."""
    with tempfile.TemporaryDirectory(prefix="agentworld-vllm-") as folder:
        port, key, log = _free_port(), secrets.token_hex(16), Path(folder) / "vllm.log"
        process = _launch(_command(checkpoint, port, settings), key, log)
        url = f"http://127.0.0.1:{port}/v1"
        ended = lambda: _cause(process, checkpoint, log)  # noqa: E731
        try:
            _wait_until_healthy(url.removesuffix("/v1"), ended, settings, log)
            found = _entry_of(checkpoint, _models(url, key))
            if found is None:
                raise EndpointError(f"another server answers at {url}; run again, and another port is taken")
            yield Server(url, found["id"], found["max_model_len"], key, ended)
        finally:
            _stop(process)


def _attached(checkpoint: Path, url: str) -> Server | None:
    key = os.environ.get(KEY, "")
    found = _entry_of(checkpoint, _models(url, key))
    return Server(url, found["id"], found["max_model_len"], key, unknown) if found else None


def _models(url: str, key: str) -> list[dict[str, Any]]:
    asked = urllib.request.Request(f"{url}/models", headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(asked, timeout=CALL_TIMEOUT_S) as answer:
            return list(json.load(answer)["data"])
    except urllib.error.HTTPError as error:
        raise EndpointError(f"{url}/models answers HTTP {error.code}; is it vLLM's, and {KEY} its key?") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = getattr(error, "reason", error)
        raise EndpointError(f"no vLLM server answers at {url} ({why}); start it, or set serving.url to null") from error


def _entry_of(checkpoint: Path, models: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The model loaded from this folder. Lakes may lie elsewhere there: an artifact is known by its last two names."""
    name = checkpoint.resolve().parts[-2:]
    fitting = (model for model in models if Path(model.get("root") or "").parts[-2:] == name)
    return next((model for model in fitting if model.get("max_model_len")), None)


def _command(checkpoint: Path, port: int, settings: Serving) -> list[str]:
    python = os.environ.get(PYTHON) or sys.executable
    if not shutil.which(python):
        raise ConfigError(f"{PYTHON} names no interpreter: {python}; `make vllm` makes one for CPUs")
    given = {
        "model": checkpoint.resolve(),
        "served-model-name": checkpoint.resolve().parent.name or "model",
        "host": "127.0.0.1",
        "port": port,
        "dtype": settings.dtype,
        "gpu-memory-utilization": settings.memory_share,
        "max-num-seqs": settings.at_once,
        "generation-config": "vllm",  # a checkpoint's own sampling defaults would change what is asked
    }
    if settings.max_tokens:
        given["max-model-len"] = settings.max_tokens
    options = [f"--{name}={value}" for name, value in given.items()]
    switches = ["--enable-prefix-caching", "--disable-uvicorn-access-log"]
    return [python, "-m", "vllm.entrypoints.openai.api_server", *options, *switches, *settings.options]


def _launch(command: list[str], key: str, log: Path) -> "subprocess.Popen[bytes]":
    environment = {
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB, where no GPU is; a variable of the machine is stronger
        **{name: value for name, value in os.environ.items() if not OF_TORCHRUN.fullmatch(name)},
        "VLLM_API_KEY": key,
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    keeping = [sys.executable, "-P", keeper.__file__, str(os.getpid())]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*keeping, *command],
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_until_healthy(root: str, ended: Callable[[], EndpointError | None], settings: Serving, log: Path) -> None:
    deadline = time.monotonic() + settings.start_timeout_s
    while not _is_healthy(root):
        if cause := ended():
            sys.stderr.write(log.read_text(errors="replace"))
            if isinstance(cause, ServerMemoryError):
                raise cause
            raise EndpointError(
                f"{cause}. {PYTHON} names the interpreter that has vLLM; `make vllm` makes one for CPUs"
            )
        if time.monotonic() > deadline:
            raise EndpointError(
                f"vLLM was not up within serving.start_timeout_s = {settings.start_timeout_s:g} s; {_told(log)}"
            )
        time.sleep(LOOK_EVERY_S)


def _is_healthy(root: str) -> bool:
    try:
        with urllib.request.urlopen(f"{root}/health", timeout=CALL_TIMEOUT_S):
            return True
    except OSError:
        return False


def _cause(process: "subprocess.Popen[bytes]", checkpoint: Path, log: Path) -> EndpointError | None:
    if (code := process.poll()) is None:
        return None
    server, ended = f"the vLLM server of {checkpoint}", f"ended with code {code}; {_told(log)}"
    if OUT_OF_MEMORY.search(log.read_text(errors="replace")):
        limits = "lower serving.max_tokens or serving.at_once"
        return ServerMemoryError(f"{server} ran out of memory and {ended}. Give it more, or {limits}")
    return EndpointError(f"{server} {ended}")


def _told(log: Path) -> str:
    """The lines of a log that name errors, else the last ones, on one line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    shown = [line for line in lines if "Error" in line] or lines
    return f"its log ends with: {' | '.join(shown[-SHOWN_LINES:])[-SHOWN_CHARS:] or '(nothing)'}"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(keeper.GRACE_S + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
