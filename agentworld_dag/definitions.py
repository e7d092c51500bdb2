"""The one list of assets, jobs, sensors and resources. Importing it loads no ML library."""

import dagster as dg

from agentworld_dag.assets import (
    agent,
    benchmark,
    champions,
    comparison,
    data,
    evaluation,
    monitoring,
    registry,
    rounds,
    world_model,
)
from agentworld_dag.home import home
from agentworld_dag.jobs.console import console
from agentworld_dag.jobs.executor import two_at_a_time
from agentworld_dag.jobs.loop import (
    decide_on_agent,
    decide_on_world_model,
    probe_real_environment,
    train_agent,
    train_world_model,
    turn_the_loop,
)
from agentworld_dag.jobs.run_process import die_with_code_server
from agentworld_dag.resources.lake import Lake
from agentworld_dag.resources.launchers import launcher_from_environment
from agentworld_dag.resources.preset import preset_from_environment
from agentworld_dag.resources.registry import ModelRegistry
from agentworld_dag.resources.reports import Reports
from agentworld_dag.sensors.automation import refresh_reports_on_new_inputs
from agentworld_dag.sensors.probing import probe_nightly
from agentworld_dag.sensors.retraining import retrain_on_fidelity_drop, retrain_weekly
from agentworld_dag.sensors.review import promote_on_review, roll_back_on_regression

here = home()
die_with_code_server()

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [
            rounds,
            data,
            world_model,
            benchmark,
            agent,
            evaluation,
            comparison,
            registry,
            champions,
            monitoring,
        ]
    ),
    jobs=[
        turn_the_loop,
        train_world_model,
        train_agent,
        probe_real_environment,
        decide_on_world_model,
        decide_on_agent,
    ],
    sensors=[
        refresh_reports_on_new_inputs,
        retrain_on_fidelity_drop,
        promote_on_review,
        roll_back_on_regression,
    ],
    schedules=[probe_nightly, retrain_weekly],
    executor=two_at_a_time,
    loggers={"console": console},
    resources={
        "preset": preset_from_environment(),
        "lake": Lake(root=str(here.lake), remote=here.remote_lake),
        "jobs": launcher_from_environment(here),
        "registry": ModelRegistry(tracking_uri=here.mlflow_uri),
        "reports": Reports(root=str(here.reports)),
    },
)
