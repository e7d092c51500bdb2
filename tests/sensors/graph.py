"""The graph as a code server loads it, beside the store that the environment names."""

import dagster as dg

from agentworld_dag.definitions import defs as real
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.registry import ModelRegistry

defs = dg.Definitions(
    assets=real.assets,
    jobs=real.jobs,
    sensors=real.sensors,
    schedules=real.schedules,
    executor=real.executor,
    loggers=real.loggers,
    resources={
        **(real.resources or {}),
        "preset": RunPreset(name="tiny", seed=0),
        "registry": ModelRegistry(tracking_uri=dg.EnvVar("TEST_MLFLOW")),
    },
)
