"""The jobs: the whole loop, its two halves, the probe, and decisions carried out."""

import dagster as dg

from agentworld_dag.jobs.executor import two_at_a_time
from agentworld_dag.jobs.run_config import LOGGING

DATA_TO_SIMULATOR = ("data", "world_model", "benchmark")
ONE_AT_A_TIME = {"agentworld/one_at_a_time": "retraining"}
"""infra/dagster.yaml lets one run with this tag leave the queue at a time, whoever asked for it; `make run`, which does
not queue, is waited for."""

turn_the_loop = dg.define_asset_job(
    "turn_the_loop",
    selection=dg.AssetSelection.groups(*DATA_TO_SIMULATOR, "agent", "evaluation", "registry"),
    executor_def=two_at_a_time,
    config=LOGGING,
    tags=ONE_AT_A_TIME,
    description="Collect, train, practise, evaluate, report and register one round. Finished artifacts are reused.",
)

train_world_model = dg.define_asset_job(
    "train_world_model",
    selection=dg.AssetSelection.groups(*DATA_TO_SIMULATOR)
    | dg.AssetSelection.assets("candidate_comparison", "world_model_versions"),
    executor_def=two_at_a_time,
    config=LOGGING,
    tags=ONE_AT_A_TIME,
    description="One round from real sessions to a candidate in MLflow, compared with the champion it started from.",
)

train_agent = dg.define_asset_job(
    "train_agent",
    selection=dg.AssetSelection.assets(
        "agent_demonstrations", "agent_base", "agent_sim_rl", "policy_comparison", "agent_versions"
    ),
    executor_def=two_at_a_time,
    config=LOGGING,
    description="Practice in the round's simulator, compared with the champion agent, to a candidate in MLflow.",
)

probe_real_environment = dg.define_asset_job(
    "probe_real_environment",
    selection=dg.AssetSelection.assets("real_env_probe"),
    executor_def=two_at_a_time,
    config=LOGGING,
    description="Fresh real episodes, answered by the champions in use.",
)

decide_on_world_model = dg.define_asset_job(
    "decide_on_world_model",
    selection=dg.AssetSelection.assets("world_model_champion"),
    executor_def=dg.in_process_executor,
    config=LOGGING,
    description="Carry out what a reviewer decided about the world model in MLflow, and record it.",
)

decide_on_agent = dg.define_asset_job(
    "decide_on_agent",
    selection=dg.AssetSelection.assets("agent_champion"),
    executor_def=dg.in_process_executor,
    config=LOGGING,
    description="Carry out what a reviewer decided about the agent policy in MLflow, and record it.",
)
