"""What is asked of Slurm for a stage."""

import subprocess
from pathlib import Path

import pytest

from agentworld_dag.compute import Needs
from agentworld_dag.config import load_preset
from agentworld_dag.errors import ConfigError
from agentworld_dag.home import preset_path
from agentworld_dag.resources.job_folder import JobFolder
from agentworld_dag.resources.slurm_request import job_script, passed_variables, sbatch_options

FOLDER = Path("/lake/slurm/cpt-0123")


def needs(**changes: object) -> Needs:
    default = load_preset(preset_path("tiny")).compute.default
    return Needs.model_validate(default.model_dump() | changes)


def test_every_need_becomes_an_option() -> None:
    asked = needs(gpus=8, cpus=96, memory_gib=0.5, time_limit_s=3600, grace_s=120, queue="long", image="/images/a")
    options = sbatch_options("cpt-0123", FOLDER, asked, "--container-image")
    assert {"--nodes=1", "--gres=gpu:8", "--cpus-per-task=96", "--mem=512M", "--partition=long"} <= set(options)
    assert "--container-image=/images/a" in options
    assert not any(
        option.startswith(("--gres", "--partition")) for option in sbatch_options("a", FOLDER, needs(), None)
    )


def test_a_stage_has_its_whole_time_before_it_is_asked_to_stop() -> None:
    options = sbatch_options("cpt-0123", FOLDER, needs(time_limit_s=3600, grace_s=90), None)
    assert "--time=63" in options  # an hour, a minute for an early signal and 90 s, in whole minutes
    assert "--signal=B:TERM@90" in options


def test_an_image_needs_to_be_told_how() -> None:
    with pytest.raises(ConfigError, match="set AGENTWORLD_SLURM_IMAGE_OPTION to --container-image"):
        sbatch_options("cpt-0123", FOLDER, needs(image="/images/a"), None)


def test_the_job_gets_its_environment_as_it_was_and_leaves_no_copy(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    environment = {"KEY": 'it\'s a "$secret"\nof two lines', "PATH": "/usr/bin:/bin"}
    written = folder.begin_anew(environment)
    script = folder.write_script(job_script(["printenv", "KEY"], 1, written.name))
    assert written.stat().st_mode & 0o777 == 0o600
    printed = subprocess.run(["bash", script], cwd=folder.path, env={}, capture_output=True, text=True, check=True)
    assert printed.stdout == environment["KEY"] + "\n"
    assert not written.exists()


def test_on_several_nodes_the_stage_starts_on_each(tmp_path: Path) -> None:
    script = job_script(["python", "-m", "stage"], 2, "environment-0")
    assert "srun --export=ALL --kill-on-bad-exit=1 python -m stage" in script
    assert 'SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"' in script
    assert "--signal=TERM@20" in sbatch_options("cpt-0123", FOLDER, needs(nodes=2, grace_s=20), None)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_only_named_variables_are_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "here")
    monkeypatch.setenv("DAGSTER_HOME", "/home")
    assert passed_variables(["AWS_*", "ABSENT"]).get("AWS_REGION") == "here"
    assert not {"DAGSTER_HOME", "ABSENT", "PATH"} & set(passed_variables(["AWS_*", "ABSENT"]))


def test_no_job_gets_the_databases_of_dagster_and_mlflow_or_a_launcher_s_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = {"AGENTWORLD_DATABASE", "AGENTWORLD_RAY", "AGENTWORLD_KUBERNETES", "MLFLOW_BACKEND_STORE_URI"}
    for name in (*kept, "AGENTWORLD_JUDGE_API_KEY"):
        monkeypatch.setenv(name, "swordfish")
    passed = passed_variables(["AGENTWORLD_*", "MLFLOW_*"])
    assert "AGENTWORLD_JUDGE_API_KEY" in passed
    assert not kept & set(passed)
