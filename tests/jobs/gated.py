"""Definitions for a deployment under test: three assets, the second of which waits at a gate.

A run is asked for with a file below `asked`; everything happens in the folder
that the environment names, so that a test sees how far a run has come.
"""

import os
import time
from pathlib import Path

import dagster as dg
import yaml

from agentworld_dag.jobs.executor import two_at_a_time
from agentworld_dag.jobs.run_process import die_with_code_server

FOLDER = "GATED_FOLDER"
ASKED = "asked"
"""Tag of a run: the name it was asked for under."""
FAULTY = "faulty"
"""The run of this name fails, with a reason."""
AT_WORK = "at work"
"""The run of this name has a stage in place of the gate, which takes longer than a test."""

die_with_code_server()


class Place(dg.Config):
    name: str


def folder() -> Path:
    return Path(os.environ[FOLDER])


def note(name: str, step: str) -> None:
    with (folder() / f"{name}.log").open("a") as file:
        file.write(f"{step} {os.getpid()}\n")


@dg.asset
def first(config: Place) -> None:
    note(config.name, "first")
    if config.name == FAULTY:
        raise dg.Failure("for a reason")


@dg.asset(deps=[first], pool="gpu")
def second(context: dg.AssetExecutionContext, config: Place) -> None:
    note(config.name, "second")
    if config.name == AT_WORK:
        launch_stage(context)
    while not (folder() / f"{config.name}.open").exists():
        time.sleep(0.1)


def launch_stage(context: dg.AssetExecutionContext) -> None:
    # Here, because these modules load torch, and every process of every run imports this one.
    from agentworld_dag.resources.local_jobs import LocalJobs
    from agentworld_dag.resources.preset import RunPreset
    from tests.preset_file import write_preset
    from tests.resources.launching import toy

    preset = RunPreset(name=str(write_preset(folder() / "preset.yaml")), seed=0)
    LocalJobs(tracking_uri="").launch(context, toy(folder(), "sleep"), preset)


@dg.asset(deps=[second])
def third(config: Place) -> None:
    note(config.name, "third")


work = dg.define_asset_job("work", "*", executor_def=two_at_a_time)


@dg.sensor(job=work, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def asked_for(context: dg.SensorEvaluationContext) -> list[dg.RunRequest]:
    """One run per file; its content are tags."""
    return [request(file) for file in sorted((folder() / "asked").glob("*")) if not file.suffix]


def request(file: Path) -> dg.RunRequest:
    ops = {asset: {"config": {"name": file.name}} for asset in ("first", "second", "third")}
    tags = {ASKED: file.name, **yaml.safe_load(file.read_text())}
    return dg.RunRequest(file.name, run_config={"ops": ops}, tags=tags)


defs = dg.Definitions([first, second, third], jobs=[work], sensors=[asked_for])
