"""Launches the toy stage as an asset does, whatever the launcher."""

from pathlib import Path

import dagster as dg
import yaml

from agentworld_dag.compute import is_training
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Jobs, Launcher, Script
from tests.preset_file import write_preset

MODULE = "tests.resources.toy_stage"


def toy(tmp_path: Path, ways: str) -> Script:
    return Script(MODULE, "round-0001", tmp_path / "toy" / "round-0001" / "0123456789ab", {}, {"ways": ways}, 0, False)


def launched(
    launcher: Launcher, script: Script, tmp_path: Path, **needs: object
) -> tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]:
    """The run of an asset that launches `script`, and the instance it is on record in."""
    path = write_preset(tmp_path / "preset.yaml")
    written = yaml.safe_load(path.read_text())
    compute, stage = written["compute"], script.module.removeprefix("agentworld_dag.")
    (compute["stages"].setdefault(stage, {}) if is_training(stage) else compute["default"]).update(needs)
    path.write_text(yaml.safe_dump(written))

    @dg.asset
    def made(context: dg.AssetExecutionContext, jobs: Jobs) -> dg.MaterializeResult:
        jobs.launch(context, script, RunPreset(name=str(path), seed=0))
        return dg.MaterializeResult()

    instance = dg.DagsterInstance.ephemeral()
    resources = {"jobs": launcher}
    return dg.materialize([made], instance=instance, raise_on_error=False, resources=resources), instance


def trained(launcher: Launcher, folder: Path, splits: Path) -> bytes:
    """The weights after CPT of a new base model."""
    folder.mkdir()
    inputs = {"trajectory_splits": splits}
    for stage in ("base_model", "cpt"):
        out = folder / stage / "round-0001" / "0123456789ab"
        script = Script(f"agentworld_dag.training.{stage}", "round-0001", out, inputs, {}, 0, False)
        result, _ = launched(launcher, script, folder)
        assert result.success
        inputs = inputs | {stage: out}
    return (inputs["cpt"] / "checkpoint" / "model.safetensors").read_bytes()


def reason(result: dg.ExecuteInProcessResult) -> str:
    """The description of the failed step."""
    [failed] = result.get_step_failure_events()
    data = failed.step_failure_data
    assert data.user_failure_data
    return data.user_failure_data.description or ""


def logged(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> list[str]:
    return [entry.user_message for entry in instance.all_logs(result.run_id)]
