"""Runs one stage as a script of its own, under Dagster Pipes or by hand.

    python -m agentworld_dag.training.cpt --config infra/presets/tiny.yaml --seed 0 --out DIR --input NAME=DIR

A stage script holds `work(stage) -> metrics` and hands it to `run_stage`. The
runner owns everything around the work: arguments, a lock on the output folder,
threads, logs, MLflow, errors, costs and `result.json`. It knows nothing of Dagster
beyond Pipes, and resuming from a checkpoint is the work's own business.
"""

import argparse
import ctypes
import fcntl
import gc
import json
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, PipesContext, open_dagster_pipes

from agentworld_dag.artifacts import RESULT, UNRECORDED, is_complete, naming_full_disk, write_json
from agentworld_dag.config import Preset, check_seed, load_preset
from agentworld_dag.cost import COST, Meter, priced, process_started_at
from agentworld_dag.errors import AgentWorldError, StoreError
from agentworld_dag.rounds import FIRST_ROUND
from agentworld_dag.tracking import URI, RunIdentity, Tracker, flatten

ERROR_FILE = "AGENTWORLD_ERROR_FILE"
"""Set by the launcher: where a stage that fails on purpose leaves its one-line reason."""

PARENT = "AGENTWORLD_PARENT_PID"
"""Set by the launcher: the process that a stage must not outlive."""

Work = Callable[["Stage"], dict[str, Any]]


@dataclass
class Stage:
    """What a stage script works with."""

    preset: Preset
    seed: int
    out: Path
    inputs: dict[str, Path]
    """Folders of the upstream artifacts by asset name."""
    options: dict[str, str]
    logger: logging.Logger
    round_name: str = FIRST_ROUND
    tracker: Tracker | None = field(default=None)
    meter: Meter = field(init=False)

    def __post_init__(self) -> None:
        self.meter = Meter(self.out)

    def log(self, message: str) -> None:
        self.logger.info(message)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Append to `metrics.jsonl`, and pass on to MLflow every few seconds."""
        line = json.dumps({"step": step, "at": time.time(), "metrics": {k: float(v) for k, v in metrics.items()}})
        with (self.out / "metrics.jsonl").open("a") as file:
            file.write(line + "\n")
        self.meter.record_if_due()
        if self.tracker:
            self.tracker.flush_if_due()


def run_stage(work: Work, arguments: list[str] | None = None) -> None:
    """Run `work` once; a complete output folder returns at once. Exits 1 with one line on an AgentWorldError."""
    options = _parser().parse_args(arguments)
    gc.freeze()  # modules live as long as the process; going through them at its end takes over a second
    if DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ:
        die_with_parent(os.environ.get(PARENT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pipes warns when a script runs by hand, which is a use we support
        pipes = open_dagster_pipes()
    try:
        with pipes, naming_full_disk(options.out):
            _run(work, options, pipes)
    except AgentWorldError as error:
        _report_failure(error)
        sys.exit(1)


def die_with_parent(parent: str | None = None) -> None:
    """Ask the kernel to kill this process when its parent dies: a killed run leaves nothing behind.

    `parent`: its process id. A parent that died before this, while modules were imported, ends the process now.
    """
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if parent and int(parent) != os.getppid():
        os.kill(os.getpid(), signal.SIGKILL)


def _run(work: Work, options: argparse.Namespace, pipes: PipesContext) -> None:
    preset, seed = load_preset(options.config, options.round), check_seed(options.seed)
    _limit_threads(preset.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    stage = Stage(preset, seed, options.out, dict(options.input), dict(options.option), _logger(pipes), options.round)
    with _only_holder(stage.out):
        if is_complete(stage.out):
            stage.log(f"{stage.out} is complete, nothing to do")
            return
        for grown in ("metrics.jsonl", COST):
            _drop_torn_line(stage.out / grown)
        stage.tracker = _tracker(stage, work, pipes)
        with _closing(stage.tracker):
            _record(stage, _finished_work(work, stage))


def _finished_work(work: Work, stage: Stage) -> dict[str, Any]:
    """The result of the work, from an earlier run that worked but could not record it, or from working now."""
    unrecorded = stage.out / UNRECORDED
    if unrecorded.is_file():
        return json.loads(unrecorded.read_text())
    work_started_at = time.time()
    with stage.meter.recording():
        metrics = work(stage)
    timing = {
        "process_started_at": process_started_at(),
        "work_started_at": work_started_at,
        "finished_at": time.time(),
    }
    result = {
        "fingerprint": stage.out.name,
        "seed": stage.seed,
        "inputs": {name: str(path) for name, path in stage.inputs.items()},
        "options": stage.options,
        "timing": timing,
        "cost": priced(stage.meter.total(), stage.preset.prices),
        "metrics": metrics,
    }
    write_json(unrecorded, result)
    return result


def _record(stage: Stage, result: dict[str, Any]) -> None:
    if stage.tracker:
        stage.tracker.finish(result)
    (stage.out / UNRECORDED).replace(stage.out / RESULT)
    seconds = result["timing"]["finished_at"] - result["timing"]["work_started_at"]
    stage.log(f"finished in {seconds:.1f} s")


def _tracker(stage: Stage, work: Work, pipes: PipesContext) -> Tracker | None:
    uri = os.environ.get(URI)
    if not uri:
        return None
    under_dagster = DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ
    name = pipes.asset_key if under_dagster else _module_of(work)
    tags = {
        "agentworld/fingerprint": stage.out.name,
        "agentworld/seed": str(stage.seed),
        "agentworld/preset": stage.preset.name,
        "mlflow.source.name": _module_of(work),
        **{f"agentworld/option/{key}": value for key, value in stage.options.items()},
    }
    if under_dagster:
        tags |= {"dagster/run_id": pipes.run_id, "dagster/asset_key": name, **_code_version(pipes)}
    round_name = pipes.partition_key if under_dagster and pipes.is_partition_step else "by-hand"
    params = dict(flatten(stage.preset.model_dump(mode="json"))) | {"seed": stage.seed}
    return Tracker(uri, stage.out, RunIdentity(f"agentworld/{round_name}", name, tags, params))


def _code_version(pipes: PipesContext) -> dict[str, str]:
    return {"agentworld/code_version": pipes.code_version} if pipes.code_version else {}


@contextmanager
def _closing(tracker: Tracker | None) -> Iterator[None]:
    """Leave the MLflow run with the status the stage ended in."""
    try:
        yield
    except KeyboardInterrupt:
        if tracker:
            tracker.fail("KILLED")
        raise
    except Exception:
        if tracker:
            tracker.fail("FAILED")
        raise


@contextmanager
def _only_holder(out: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel drops it when this process ends, however it ends."""
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                f"another process is making {out}; wait for it to finish or stop it, then run again"
            ) from error
        yield


def _limit_threads(threads: int) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(name, str(threads))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if torch := sys.modules.get("torch"):  # imported before it could read the environment
        torch.set_num_threads(threads)


def _drop_torn_line(path: Path) -> None:
    if path.is_file():
        whole = path.read_bytes().rpartition(b"\n")
        with path.open("r+b") as file:
            file.truncate(len(whole[0]) + len(whole[1]))


def _logger(pipes: PipesContext) -> logging.Logger:
    if DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ:
        return pipes.log
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return logging.getLogger("agentworld_dag.stage")


def _report_failure(error: AgentWorldError) -> None:
    sys.stderr.write(f"{type(error).__name__}: {error}\n")
    if path := os.environ.get(ERROR_FILE):
        Path(path).write_text(f"{type(error).__name__}: {error}")


def _module_of(work: Work) -> str:
    main = sys.modules["__main__"].__spec__
    return main.name if main else work.__module__


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _folder(text: str) -> tuple[str, Path]:
    name, value = _pair(text)
    return name, Path(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Run one stage of the loop.")
    parser.add_argument("--config", type=Path, required=True, help="preset file")
    parser.add_argument("--round", default=FIRST_ROUND, help="later rounds have settings of their own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for the output; resumed when it exists")
    parser.add_argument("--input", type=_folder, action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--option", type=_pair, action="append", default=[], metavar="NAME=VALUE")
    return parser
