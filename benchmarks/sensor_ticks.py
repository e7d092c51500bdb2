"""What a tick of a sensor costs the code server: `python benchmarks/sensor_ticks.py --probes 200 --retrainings 30`.

Puts that many probes, and retrainings at three a week, on record in a Dagster instance of its own, over SQLite in a
temporary folder, and a small MLflow store beside it. Needs the folder of the repository as working directory. Prints
one line per sensor, as Markdown, and whether every median is within LIMIT_S, which a machine that does other work may
miss. Left out is `refresh_reports_on_new_inputs`, which Dagster's daemon evaluates.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import dagster as dg

from agentworld_dag.definitions import defs
from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.sensors.gpu_time import GPU_STEPS
from agentworld_dag.sensors.retraining import retrain_on_fidelity_drop
from agentworld_dag.sensors.review import promote_on_review, roll_back_on_regression
from tests import on_record
from tests.registered import copy_of, new_store

LIMIT_S = 0.5
SENSORS = (retrain_on_fidelity_drop, promote_on_review, roll_back_on_regression)
COMPARED = 3
"""The presets' `review.regression_probes`."""
APART_H = 7 * 24 / 3
"""The presets' `watch.retrainings_per_week`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probes", type=int, default=200)
    parser.add_argument("--retrainings", type=int, default=30)
    parser.add_argument("--ticks", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.local_temp(folder) as instance:
        put_on_record(instance, options.probes, options.retrainings)
        resources = {"preset": RunPreset(name="tiny", seed=0), "registry": store(Path(folder))}
        print(f"{options.ticks} ticks, {options.probes} probes, {options.retrainings} retrainings\n")
        print("| sensor | median, s | maximum, s |\n| --- | --- | --- |")
        slowest = max(told(instance, sensor, resources, options.ticks) for sensor in SENSORS)
    print(f"\nAt most {LIMIT_S:g} s is wanted: {'met' if slowest <= LIMIT_S else 'not met'}.")


def put_on_record(instance: dg.DagsterInstance, probes: int, retrainings: int) -> None:
    on_record.promoted(instance, on_record.champion(1))
    in_use = [on_record.promoted(instance, on_record.champion(2, model)) for model in (WORLD_MODEL, AGENT)]
    compared: dict[str, dict[str, Any]] = {WORLD_MODEL: on_record.QUIET, AGENT: on_record.QUIET}
    for number in range(probes):
        on_record.probed(instance, in_use, leads=compared if number < COMPARED else None)
    for number in reversed(range(retrainings)):
        run_id = on_record.retrained(instance, (number + 0.5) * APART_H, dg.DagsterRunStatus.FAILURE)
        for asset in GPU_STEPS:
            on_record.spent(instance, run_id, 60.0, asset)
        on_record.worked(instance, run_id, "leaderboard", 60.0)


def store(folder: Path) -> ModelRegistry:
    (folder / "mlflow").mkdir()
    return copy_of(new_store(folder / "mlflow"), folder)


def told(
    instance: dg.DagsterInstance,
    sensor: dg.SensorDefinition,
    resources: dict[str, RunPreset | ModelRegistry],
    ticks: int,
) -> float:
    """Prints the sensor's line; the median of its ticks. One before them imports what the code server has loaded."""
    _, *seconds = [tick_s(instance, sensor, resources) for _ in range(ticks + 1)]
    print(f"| {sensor.name} | {median(seconds):.3f} | {max(seconds):.3f} |", flush=True)
    return median(seconds)


def tick_s(
    instance: dg.DagsterInstance, sensor: dg.SensorDefinition, resources: dict[str, RunPreset | ModelRegistry]
) -> float:
    """Seconds that a tick takes when nothing is remembered of the one before."""
    needed = {name: resources[name].get_resource_definition() for name in sensor.required_resource_keys}
    began_at = time.monotonic()
    with dg.SensorEvaluationContext(
        instance.get_ref(),
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=None,
        repository_name=None,
        repository_def=defs.get_repository_def(),
        resources=needed,
    ) as context:
        sensor.evaluate_tick(context)
    return time.monotonic() - began_at


if __name__ == "__main__":
    main()
