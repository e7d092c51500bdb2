"""The sessions and the untrained model of a round, made as `agentworld run` makes them, and that model registered."""

import json
import sys
from pathlib import Path

import dagster as dg

from agentworld_dag.home import home
from agentworld_dag.jobs.instance import STARTED_BY, add_round, opened
from agentworld_dag.jobs.run_config import run_config
from agentworld_dag.jobs.turn import PARTITION, loop_job
from agentworld_dag.lake.shared import pulled
from agentworld_dag.monitoring.champion import WORLD_MODEL
from agentworld_dag.resources.registry import FINGERPRINT, ModelRegistry
from agentworld_dag.rounds import FIRST_ROUND

ASSETS = ("round_plan", "raw_trajectories", "clean_trajectories", "trajectory_splits", "base_model")


def main(preset: str) -> int:
    with opened(home()) as instance:
        add_round(instance, FIRST_ROUND)
        result = dg.execute_job(
            dg.reconstructable(loop_job),
            instance=instance,
            run_config=run_config(preset, 0),
            tags={PARTITION: FIRST_ROUND, STARTED_BY: "command line"},
            asset_selection=[dg.AssetKey(asset) for asset in ASSETS],
        )
        if result.success:
            register(result)
    return 0 if result.success else 1


def register(result: dg.JobExecutionResult) -> None:
    [made] = result.asset_materializations_for_node("base_model")
    folder = pulled(Path(str(made.metadata["path"].value)))
    run_id = json.loads((folder / "mlflow.json").read_text())["run_id"]
    registry = ModelRegistry(tracking_uri=home().mlflow_uri)
    registry.register(WORLD_MODEL, run_id, folder / "checkpoint", {FINGERPRINT: folder.name})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
