"""Runs one stage as a script of its own, under Dagster Pipes or by hand.

    python -m agentworld_dag.training.cpt --config infra/presets/tiny.yaml --seed 0 --out DIR --input NAME=DIR

A stage script holds `work(stage) -> metrics` and hands it to `run_stage`. The
runner owns everything around the work: arguments, a lock on the output folder,
threads, logs, MLflow, errors, costs, SIGTERM and `result.json`. It knows nothing of
Dagster beyond Pipes, and resuming from a checkpoint is the work's own business.
"""

import argparse
import gc
import json
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, PipesContext, open_dagster_pipes

from agentworld_dag.arguments import parser
from agentworld_dag.artifacts import (
    METRICS,
    RESULT,
    UNRECORDED,
    is_complete,
    make_durable,
    naming_full_disk,
    write_json,
)
from agentworld_dag.compute import Needs
from agentworld_dag.config import Preset, check_seed, load_preset
from agentworld_dag.cost import COST, Meter, priced, process_started_at
from agentworld_dag.errors import AgentWorldError
from agentworld_dag.exit_codes import FAILED, FINISHED, OUT_OF_MEMORY, RESUME_ME
from agentworld_dag.lake.shared import SharedLake, opened
from agentworld_dag.process import die_with_launcher, limit_threads, only_holder
from agentworld_dag.ranks import Ranks, of_this_process
from agentworld_dag.rounds import FIRST_ROUND
from agentworld_dag.stopping import Stopped, StopRequest
from agentworld_dag.tracking import RunIdentity, Tracker, flatten, named_uri

WORDS, CODE = "ended", "exit_code"
"""Keys of the Pipes message in which a stage that ends early says why, in one line, and by which code."""

GROWN = (METRICS, COST)
"""Files to which every attempt at an artifact adds lines."""

UNDER_WAY = "trainer"
"""Folder of what only an unfinished artifact needs: its training checkpoints."""

NO_MEMORY = ("DefaultCPUAllocator", "Cannot allocate memory")
"""What torch and the system say when a machine has no more memory."""

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
    ranks: Ranks = field(default_factory=Ranks)
    module: str = ""
    """Of the script."""
    tracker: Tracker | None = field(default=None)
    stop: StopRequest = field(default_factory=StopRequest)
    meter: Meter = field(init=False)

    def __post_init__(self) -> None:
        self.meter = Meter(self.out, self.ranks.nodes)

    @property
    def needs(self) -> Needs:
        """What the preset has it ask of its machines."""
        return self.preset.compute.needs(self.module)

    def log(self, message: str) -> None:
        self.logger.info(message)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Append to `metrics.jsonl`, and pass on to MLflow every few seconds; of several processes the first does."""
        if not self.ranks.is_first:
            return
        line = json.dumps({"step": step, "at": time.time(), "metrics": {k: float(v) for k, v in metrics.items()}})
        with (self.out / METRICS).open("a") as file:
            file.write(line + "\n")
        self.meter.record_if_due()
        if self.tracker:
            self.tracker.flush_if_due()


def run_stage(work: Work, arguments: list[str] | None = None) -> None:
    """Run `work` once; a complete output folder returns at once. Exits with a code of `exit_codes`."""
    options = parser().parse_args(arguments)
    gc.freeze()  # modules live as long as the process; going through them at its end takes over a second
    die_with_launcher()
    if not of_this_process().is_first:
        os.environ.pop(DAGSTER_PIPES_CONTEXT_ENV_VAR, None)  # the first one talks to Dagster
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pipes warns when a script runs by hand, which is a use we support
        pipes = open_dagster_pipes()
    with pipes:
        code = _ended(work, options, pipes)
    if code != FINISHED:
        sys.exit(code)


def _ended(work: Work, options: argparse.Namespace, pipes: PipesContext) -> int:
    """Run the stage; the exit code says how it ended, and a line for people why."""
    try:
        with naming_full_disk(options.out):
            _run(work, options, pipes)
    except Stopped as stopped:
        return _told(pipes, RESUME_ME, stopped.words)
    except AgentWorldError as error:
        code = OUT_OF_MEMORY if _for_want_of_memory(error) else FAILED
        return _told(pipes, code, f"{type(error).__name__}: {error}")
    except Exception as error:
        if not _for_want_of_memory(error):
            raise
        return _told(pipes, OUT_OF_MEMORY, " ".join(str(error).split()) or type(error).__name__)
    return FINISHED


def _for_want_of_memory(error: Exception) -> bool:
    """torch, which is not imported for this, has an error of its own for a GPU, and raises any for a processor."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | OSError) and any(words in str(error) for words in NO_MEMORY)


def _told(pipes: PipesContext, code: int, words: str) -> int:
    sys.stderr.write(f"{words}\n")
    pipes.report_custom_message({WORDS: words, CODE: code})
    return code


def _run(work: Work, options: argparse.Namespace, pipes: PipesContext) -> None:
    preset, seed = load_preset(options.config, options.round), check_seed(options.seed)
    limit_threads(preset.threads)
    lake, inputs, ranks = opened(), dict(options.input), of_this_process()
    if ranks.local_rank == 0:
        _pull(lake, options.out, inputs)
    ranks.meet()
    options.out.mkdir(parents=True, exist_ok=True)
    logger, module = _logger(pipes, ranks), _module_of(work)
    stage = Stage(preset, seed, options.out, inputs, dict(options.option), logger, options.round, ranks, module)
    if not ranks.is_first:
        _assist(work, stage)
    elif told := _made(work, stage, pipes, lake):
        stage.log(told)


def _assist(work: Work, stage: Stage) -> None:
    """The part of a process that is not the first: the same work, when there is any, and no word about it."""
    with stage.stop.heeded():
        if stage.ranks.told(False):
            work(stage)


def _made(work: Work, stage: Stage, pipes: PipesContext, lake: SharedLake) -> str:
    """What came of publishing it."""
    with stage.stop.heeded(), only_holder(stage.out):
        if is_complete(stage.out):
            stage.log(f"{stage.out} is complete, nothing to do")
            stage.ranks.told(False)
            return lake.publish_if_missing(stage.out)
        _make(work, stage, pipes)
        return lake.publish(stage.out)


def _pull(lake: SharedLake, out: Path, inputs: Mapping[str, Path]) -> None:
    """What another machine has made: the artifact itself, or else those it is made from."""
    if not lake.pull(out):
        for folder in inputs.values():
            lake.pull(folder)


def _make(work: Work, stage: Stage, pipes: PipesContext) -> None:
    for grown in GROWN:
        _drop_torn_line(stage.out / grown)
    stage.tracker = _tracker(stage, work, pipes)
    with _closing(stage.tracker):
        _record(stage, _finished_work(work, stage))


def _finished_work(work: Work, stage: Stage) -> dict[str, Any]:
    """The result of the work, from an earlier run that worked but could not record it, or from working now."""
    unrecorded = stage.out / UNRECORDED
    stage.ranks.told(not unrecorded.is_file())
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
    make_durable(stage.out, but=UNDER_WAY)
    write_json(unrecorded, result)
    return result


def _record(stage: Stage, result: dict[str, Any]) -> None:
    if stage.tracker:
        stage.tracker.finish(result)
    # Before the result, after which no stage looks here again. NFS may keep files that this process has mapped.
    shutil.rmtree(stage.out / UNDER_WAY, ignore_errors=True)
    (stage.out / UNRECORDED).replace(stage.out / RESULT)
    seconds = result["timing"]["finished_at"] - result["timing"]["work_started_at"]
    stage.log(f"finished in {seconds:.1f} s")


def _tracker(stage: Stage, work: Work, pipes: PipesContext) -> Tracker | None:
    uri = named_uri()
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
    except (KeyboardInterrupt, SystemExit):
        if tracker:
            tracker.fail("KILLED")
        raise
    except Exception:
        if tracker:
            tracker.fail("FAILED")
        raise


def _drop_torn_line(path: Path) -> None:
    if path.is_file():
        whole = path.read_bytes().rpartition(b"\n")
        with path.open("r+b") as file:
            file.truncate(len(whole[0]) + len(whole[1]))


def _logger(pipes: PipesContext, ranks: Ranks) -> logging.Logger:
    if not ranks.is_first:
        silent = logging.getLogger("agentworld_dag.others")
        silent.disabled = True
        return silent
    if DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ:
        return pipes.log
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return logging.getLogger("agentworld_dag.stage")


def _module_of(work: Work) -> str:
    main = sys.modules["__main__"].__spec__
    return main.name if main else work.__module__
