"""The launcher that the environment names."""

import sys
from pathlib import Path
from traceback import format_exception

import pytest

from agentworld_dag.errors import ConfigError
from agentworld_dag.home import Home
from agentworld_dag.resources.kubernetes_jobs import KubernetesJobs
from agentworld_dag.resources.launchers import launcher_from_environment
from agentworld_dag.resources.local_jobs import LocalJobs
from agentworld_dag.resources.ray_jobs import RayJobs
from agentworld_dag.resources.slurm_jobs import SlurmJobs

HOME = Home(Path("/lake"))


def test_stages_run_on_this_machine_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTWORLD_JOBS", raising=False)
    assert isinstance(launcher_from_environment(HOME), LocalJobs)


def test_slurm_is_set_up_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTWORLD_JOBS", "slurm")
    monkeypatch.setenv("AGENTWORLD_SLURM_OPTIONS", "--account=lab --comment='two words'")
    monkeypatch.setenv("AGENTWORLD_SLURM_PASSED", "LAB_*")
    found = launcher_from_environment(HOME)
    assert isinstance(found, SlurmJobs)
    assert found.options == ["--account=lab", "--comment=two words"]
    assert (found.folder, found.python, found.image_option) == ("/lake/slurm", sys.executable, None)
    assert {"AWS_*", "LAB_*"} <= set(found.passed)


def test_ray_and_kubernetes_take_their_fields_from_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTWORLD_JOBS", "ray")
    monkeypatch.setenv("AGENTWORLD_RAY", '{"python": "/venv/bin/python", "patience_s": 60}')
    found = launcher_from_environment(HOME)
    assert isinstance(found, RayJobs)
    assert (found.python, found.patience_s) == ("/venv/bin/python", 60)
    monkeypatch.setenv("AGENTWORLD_JOBS", "kubernetes")
    monkeypatch.setenv("AGENTWORLD_KUBERNETES", '{"image": "lab/agentworld", "claims": {"lake": "/lake"}}')
    found = launcher_from_environment(HOME)
    assert isinstance(found, KubernetesJobs)
    assert (found.image, found.claims) == ("lab/agentworld", {"lake": "/lake"})


@pytest.mark.parametrize("given", ["lab/agentworld", "[]", "{}", '{"image": 3}', '{"image": "a", "cloud": "b"}'])
def test_fields_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("AGENTWORLD_JOBS", "kubernetes")
    monkeypatch.setenv("AGENTWORLD_KUBERNETES", given)
    with pytest.raises(
        ConfigError, match="expected a JSON object with fields of claims, container_security, image, namespace"
    ):
        launcher_from_environment(HOME)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ('{"runtime_envs": {"env_vars": {"KEY": "hush-hush"}}}', "unknown: runtime_envs"),
        ('{"runtime_env": "KEY=hush-hush"}', "runtime_env: "),
        ('{"patience_s": "hush-hush", "runtime_env": {"env_vars": {"KEY": "hush-hush"}}}', "patience_s: "),
        ('{"runtime_env": {"env_vars": {"KEY": "hush-hush"}}', "column"),
    ],
)
def test_a_refusal_names_fields_and_shows_no_value(monkeypatch: pytest.MonkeyPatch, given: str, named: str) -> None:
    monkeypatch.setenv("AGENTWORLD_JOBS", "ray")
    monkeypatch.setenv("AGENTWORLD_RAY", given)
    with pytest.raises(ConfigError, match=f"AGENTWORLD_RAY: expected a JSON object with .*{named}") as caught:
        launcher_from_environment(HOME)
    assert "hush-hush" not in "".join(format_exception(caught.value))


def test_another_name_is_refused_with_those_that_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTWORLD_JOBS", "cloud")
    with pytest.raises(ConfigError, match="AGENTWORLD_JOBS=cloud: expected one of local, slurm, ray, kubernetes"):
        launcher_from_environment(HOME)
