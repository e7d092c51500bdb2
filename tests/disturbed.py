"""The training stages in processes of their own, on settings that take seconds: to be killed, stopped and interrupted.

The processes are forked from one that has imported everything, and do what a stage script does.
"""

import importlib
import json
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from accelerate import DistributedType, PartialState

from agentworld_dag.agents import demonstrations, imitation
from agentworld_dag.environments.terminal import FIRST_OBSERVATION
from agentworld_dag.rounds import merged
from agentworld_dag.simulator.bundle import MANIFEST
from agentworld_dag.simulator.simulated import Settings
from agentworld_dag.stage import run_stage
from agentworld_dag.tracking import URI
from agentworld_dag.training.base_model import work as make_base_model
from agentworld_dag.trajectories.schema import SystemPrompt
from tests.agents.conftest import small_agent
from tests.preset_file import write_preset
from tests.small_loop import new_stage, write_splits

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CPT, SFT, WORLD_MODEL_RL = (f"agentworld_dag.training.{name}" for name in ("cpt", "sft", "world_model_rl"))
IMITATION, AGENT_RL = (f"agentworld_dag.agents.{name}" for name in ("imitation", "agent_rl"))
MODULES = (CPT, SFT, WORLD_MODEL_RL, IMITATION, AGENT_RL)
SIM_RL, SCARCE_RL = (f"{AGENT_RL}:{arm}" for arm in ("sim_rl", "real_rl_scarce"))
NAMES = (*MODULES, SIM_RL, SCARCE_RL)
"""Of trainings: a module, for the agent's practice in the real shell too, and its other arms."""
PATIENCE_S = 60

_SUPERVISED = {"steps": 40, "save_every_steps": 7, "tokens_per_step": 256, "threads": 1}
_RL = {"steps": 14, "save_every_steps": 3, "passes_per_step": 2}
_CHANGES: dict[str, Any] = {
    # A shell that answers too late on a busy machine fails its rollout, and two undisturbed runs would differ.
    "collection": {"action_timeout_s": 30.0},
    "cpt": _SUPERVISED,
    "sft": _SUPERVISED,
    # Six steps go through the twelve prompts: the run has three epochs.
    "world_model_rl": {**_RL, "prompts_per_step": 2, "group_size": 4},
    "agent": {
        "max_turns": 2,
        "max_new_tokens": 24,
        "imitation": _SUPERVISED,
        "rl": {**_RL, "tasks_per_step": 2, "group_size": 4, "scarce_real_steps": 80},
    },
}

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([*MODULES])


@dataclass(frozen=True)
class Training:
    """A training stage with its inputs, to be begun in any folder."""

    module: str
    preset: Path
    inputs: Mapping[str, Path]
    options: Mapping[str, str] = field(default_factory=dict)

    def begin(self, out: Path) -> Any:
        """The process. What it writes is added to a file beside `out`."""
        return self._forked(out, {})

    def _forked(self, out: Path, environment: Mapping[str, str]) -> Any:
        flags = ["--config", str(self.preset), "--out", str(out)]
        for name, folder in self.inputs.items():
            flags += ["--input", f"{name}={folder}"]
        for name, value in self.options.items():
            flags += ["--option", f"{name}={value}"]
        process = FORKS.Process(target=_run, args=(self.module, flags, log_of(out), environment))
        process.start()
        return process

    def begin_several(self, out: Path, count: int, **environment: str) -> list[Any]:
        """Processes that train together, the first one first; as `agentworld_dag.launch` starts them, but forked."""
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(count)}
        meeting |= {"LOCAL_WORLD_SIZE": str(count), **environment}
        places = [{**meeting, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
        return [self._forked(out, place) for place in places]

    def run(self, out: Path) -> int:
        """The exit code of an undisturbed process."""
        process = self.begin(out)
        process.join()
        return process.exitcode


def make_trainings(folder: Path, **changes: Any) -> dict[str, Training]:
    """Every training by its name, over inputs that are made here by real stages.

    `changes`: of the preset's sections.
    """
    preset = write_preset(folder / "preset.yaml", **merged(_CHANGES, changes))
    splits, base, shown, agent, sim = (folder / name for name in ("splits", "base", "shown", "agent", "sim"))
    splits.mkdir()
    write_splits(splits)
    make_base_model(new_stage(base, {"trajectory_splits": splits}))
    demonstrations.work(new_stage(shown, {}, agent=small_agent(max_turns=4)))
    settings = small_agent().imitation.model_copy(update={"steps": 60, "save_every_steps": 60, "learning_rate": 2e-2})
    learning = {"start": base, "agent_demonstrations": shown}
    imitation.work(new_stage(agent, learning, agent=small_agent(imitation=settings)))
    _write_simulator(sim, base)
    data, practice = {"trajectory_splits": splits}, {"agent_base": agent}
    return {
        CPT: Training(CPT, preset, {"base_model": base, **data}),
        SFT: Training(SFT, preset, {"world_model_cpt": base, **data}),
        WORLD_MODEL_RL: Training(WORLD_MODEL_RL, preset, {"world_model_sft": base, **data}),
        IMITATION: Training(IMITATION, preset, learning),
        AGENT_RL: Training(AGENT_RL, preset, practice, {"arm": "real_rl"}),
        SIM_RL: Training(AGENT_RL, preset, {**practice, "simulator": sim}, {"arm": "sim_rl"}),
        SCARCE_RL: Training(AGENT_RL, preset, practice, {"arm": "real_rl_scarce"}),
    }


def _write_simulator(folder: Path, base: Path) -> None:
    """Of an untrained world model: without reasoning any text is an observation."""
    settings = Settings("history", 0.0, 8, "compact", SystemPrompt("", ""), FIRST_OBSERVATION, reasons=False)
    folder.mkdir()
    manifest = {"checkpoint": str(base / "checkpoint"), "settings": asdict(settings)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def disturb(process: Any, sent: signal.Signals) -> int:
    """Send the signal; the exit code of the process. Raises TimeoutError, and ends it, where it lives on."""
    with suppress(ProcessLookupError):  # it has ended meanwhile
        os.kill(process.pid, sent)
    process.join(PATIENCE_S)
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError(f"process {process.pid} was alive {PATIENCE_S} s after {sent.name}")
    return process.exitcode


def wait_for_steps(process: Any, out: Path, steps: int) -> None:
    """Until so many more steps are logged than now."""
    wanted = logged_steps(out) + steps
    while process.is_alive() and logged_steps(out) < wanted:
        time.sleep(0.002)


def logged_steps(out: Path) -> int:
    """Over all attempts, repeated steps included."""
    metrics = out / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.is_file() else 0


def log_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.log")


def weights(out: Path) -> bytes:
    return (out / "checkpoint" / "model.safetensors").read_bytes()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _run(module: str, flags: list[str], log: Path, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs this may ignore interrupts
    if "ACCELERATE_USE_FSDP" in environment:
        _shard_on_processors()
    os.environ.pop(URI, None)
    script = importlib.import_module(module)
    # Models this small earn nothing, and without differences in reward no weight would move.
    if module == WORLD_MODEL_RL:
        vars(script)["reward_function"] = lambda *_: odd_sums
    if module == AGENT_RL:
        goal_reward = script.goal_reward
        vars(script)["goal_reward"] = lambda processes: _odd_sums_beside(goal_reward(processes))
    run_stage(script.work, flags)


def _shard_on_processors() -> None:
    """accelerate shards between GPUs only, torch between any devices: processes over gloo are called GPUs."""
    begin = PartialState.__init__

    def begin_as_gpus(self: PartialState, *arguments: Any, **settings: Any) -> None:
        begin(self, *arguments, **settings)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    PartialState.__init__ = begin_as_gpus


def odd_sums(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """A reward as TRL calls it."""
    return [float(sum(ids) % 2) for ids in completion_ids]


def _odd_sums_beside(goal: Any) -> Any:
    async def both(completion_ids: list[list[int]], **rest: Any) -> list[float]:
        await goal(**rest)
        return odd_sums(completion_ids)

    return both
