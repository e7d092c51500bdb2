"""Starts a training script as several processes that make one artifact together, on one node or on each of several.

    python -m agentworld_dag.launch --processes 2 agentworld_dag.training.sft --config ... --out DIR

accelerate starts them, configured by `infra/accelerate/<sharding>.yaml`; what it
would lose on the way is kept: SIGTERM gives them `--grace-s` for a checkpoint,
it ends by the code or the signal of the process that failed first, and none
outlives this one. Several nodes find each other by MASTER_ADDR and MASTER_PORT,
and each knows its place by SLURM_NODEID. Elastic training, on a changing number
of nodes, is left out.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agentworld_dag.exit_codes import FAILED, FINISHED, RESUME_ME
from agentworld_dag.home import ACCELERATE
from agentworld_dag.process import PARENT, die_with_launcher

_MEETING = {"MASTER_ADDR": "--main_process_ip", "MASTER_PORT": "--main_process_port"}
_PLACE = "SLURM_NODEID"


def main(arguments: list[str] | None = None) -> int:
    """Exit code."""
    options = parser().parse_args(arguments)
    if missing := [name for name in (*_MEETING, _PLACE) if options.nodes > 1 and name not in os.environ]:
        sys.stderr.write(f"ConfigError: {options.nodes} nodes find each other by {', '.join(missing)}: not set here\n")
        return FAILED
    die_with_launcher()
    os.environ[PARENT] = str(os.getpid())  # of the processes below
    os.environ["PET_SHUTDOWN_TIMEOUT"] = str(options.grace_s)  # accelerate has no option for this one of torchrun's
    from accelerate.commands.launch import launch_command, launch_command_parser

    asked = launch_command_parser().parse_args(accelerate_arguments(options))
    return _exit_code(lambda: launch_command(asked))


def accelerate_arguments(options: argparse.Namespace) -> list[str]:
    """Of `accelerate launch`."""
    return [
        f"--config_file={ACCELERATE / options.sharding}.yaml",
        f"--num_processes={options.nodes * options.processes}",
        f"--num_machines={options.nodes}",
        *(_meeting_place() if options.nodes > 1 else ["--main_process_port=0"]),
        "--module",
        options.script,
        *options.rest,
    ]


def _meeting_place() -> list[str]:
    return [
        f"--machine_rank={os.environ[_PLACE]}",
        *(f"{option}={os.environ[name]}" for name, option in _MEETING.items()),
    ]


def _exit_code(run: Callable[[], None]) -> int:
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run()
    except SignalException as stopped:
        return RESUME_ME if stopped.sigval == signal.SIGTERM else FAILED
    except ChildFailedError as failed:
        code = failed.get_first_failure()[1].exitcode
        return code if code > 0 else _killed(-code)
    return FINISHED


def _killed(by: int) -> int:
    """End as that process did: who waits for this one has to tell a kill from an error."""
    with suppress(OSError):  # what SIGKILL does cannot be set
        signal.signal(by, signal.SIG_DFL)
    os.kill(os.getpid(), by)
    return 128 + by


def parser() -> argparse.ArgumentParser:
    """Of this command."""
    command = argparse.ArgumentParser(description="Run one training script as several processes.")
    command.add_argument("--processes", type=int, default=1, help="on this node")
    command.add_argument("--nodes", type=int, default=1)
    command.add_argument(
        "--sharding", choices=sorted(path.stem for path in Path(ACCELERATE).glob("*.yaml")), default="replicated"
    )
    command.add_argument("--grace-s", type=int, default=30, help="from SIGTERM to SIGKILL")
    command.add_argument("script", help="such as agentworld_dag.training.sft")
    command.add_argument("rest", nargs=argparse.REMAINDER, help="its arguments")
    return command


if __name__ == "__main__":
    sys.exit(main())
