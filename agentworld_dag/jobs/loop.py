"""The jobs: the whole loop, and its two halves for work by hand."""

import dagster as dg

from agentworld_dag.jobs.executor import two_at_a_time

LOGGING = {"loggers": {"console": {"config": {}}}}

turn_the_loop = dg.define_asset_job(
    "turn_the_loop",
    selection=dg.AssetSelection.groups("data", "world_model", "benchmark", "agent", "evaluation", "registry"),
    executor_def=two_at_a_time,
    config=LOGGING,
    description="Collect, train, practise, evaluate, report and register one round. Finished artifacts are reused.",
)

train_world_model = dg.define_asset_job(
    "train_world_model",
    selection=dg.AssetSelection.groups("data", "world_model"),
    executor_def=two_at_a_time,
    config=LOGGING,
    description="From real sessions to a simulator that passed its gate.",
)

train_agent = dg.define_asset_job(
    "train_agent",
    selection=dg.AssetSelection.groups("agent"),
    executor_def=two_at_a_time,
    config=LOGGING,
    description="Every policy arm, in a simulator that exists already.",
)
