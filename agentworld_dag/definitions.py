"""The one list of assets, jobs, sensors and resources. Importing it loads no ML library."""

import dagster as dg

from agentworld_dag.assets import agent, benchmark, data, evaluation, registry, world_model
from agentworld_dag.home import home
from agentworld_dag.jobs.console import console
from agentworld_dag.jobs.executor import two_at_a_time
from agentworld_dag.jobs.loop import train_agent, train_world_model, turn_the_loop
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.preset import preset_from_environment
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.resources.reports import Reports
from agentworld_dag.sensors.automation import refresh_reports_on_new_inputs

here = home()

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([data, world_model, benchmark, agent, evaluation, registry]),
    jobs=[turn_the_loop, train_world_model, train_agent],
    sensors=[refresh_reports_on_new_inputs],
    executor=two_at_a_time,
    loggers={"console": console},
    resources={
        "preset": preset_from_environment(),
        "lake": Lake(root=str(here.lake)),
        "jobs": LocalJobs(tracking_uri=here.mlflow_uri),
        "registry": ModelRegistry(tracking_uri=here.mlflow_uri),
        "reports": Reports(root=str(here.reports)),
    },
)
