"""Dagster's own schemas over what a deployment tells its instance. No database is asked and no cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInvalidConfigError
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._serdes.config_class import ConfigurableClass
from dagster_k8s import K8sRunLauncher
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.utils import pg_url_from_config

from agentworld_dag.config import load_preset
from agentworld_dag.jobs.instance import settings
from agentworld_dag.resources.kubernetes_pods import LEEWAY_S
from tests.infra.files import INFRA, document, values

BY_THE_CHART = {"run_launcher", "telemetry"}
"""What the chart writes itself, from values of its own."""


def accepted(folder: Path, instance: dict[str, Any]) -> dict[str, Any]:
    (folder / "dagster.yaml").write_text(yaml.safe_dump(instance))
    found, _ = dagster_instance_config(str(folder))
    return dict(found)


def check(kind: type[ConfigurableClass], config: dict[str, Any]) -> None:
    result = process_config(resolve_to_config_type(kind.config_type()), config)
    assert result.success, [error.message for error in result.errors or []]


def of_the_chart() -> dict[str, Any]:
    """dagster.yaml as the chart's templates write it from these values."""
    given = values()
    storage = {"postgres_db": postgres_db()}
    return given["additionalInstanceConfig"] | {
        "scheduler": {"module": "dagster.core.scheduler", "class": "DagsterDaemonScheduler"},
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": run_launcher()},
        "run_storage": storage_of("run_storage", "PostgresRunStorage", storage),
        "event_log_storage": storage_of("event_log", "PostgresEventLogStorage", storage),
        "schedule_storage": storage_of("schedule_storage", "PostgresScheduleStorage", storage),
        "compute_logs": {
            "module": "dagster.core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
        "schedules": {"use_threads": True, "num_workers": 4},
        "telemetry": given["telemetry"],
    }


def storage_of(module: str, name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"module": f"dagster_postgres.{module}", "class": name, "config": config}


def postgres_db() -> dict[str, Any]:
    given = values()["postgresql"]
    return {
        "username": given["postgresqlUsername"],
        "password": {"env": "DAGSTER_PG_PASSWORD"},
        "hostname": given["postgresqlHost"],
        "db_name": given["postgresqlDatabase"],
        "port": 5432,
        "params": {},
        "scheme": given["postgresqlScheme"],
    }


def run_launcher() -> dict[str, Any]:
    given = values()["runLauncher"]["config"]["k8sRunLauncher"]
    raw = given["runK8sConfig"]
    return {
        "load_incluster_config": True,
        "job_namespace": "agentworld",
        "image_pull_policy": given["imagePullPolicy"],
        "service_account_name": values()["global"]["serviceAccountName"],
        "dagster_home": values()["global"]["dagsterHome"],
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": values()["global"]["postgresqlSecretName"],
        "run_k8s_config": {
            "container_config": raw["containerConfig"],
            "pod_spec_config": raw["podSpecConfig"],
            "job_spec_config": raw["jobSpecConfig"],
        },
    }


def test_limits_and_retries_are_the_same_on_a_cluster() -> None:
    here = document(INFRA / "dagster.yaml")
    assert values()["additionalInstanceConfig"] == {name: here[name] for name in here if name not in BY_THE_CHART}
    assert values()["telemetry"] == here["telemetry"]


def test_the_chart_writes_nothing_a_second_time() -> None:
    daemon = values()["dagsterDaemon"]
    switched_off = {"runCoordinator": "run_queue", "runMonitoring": "run_monitoring", "runRetries": "run_retries"}
    assert all(daemon[name] == {"enabled": False} for name in switched_off)
    assert daemon["sensors"] == {"useThreads": False}
    assert {*switched_off.values(), "sensors"} <= set(values()["additionalInstanceConfig"])


def test_dagster_takes_what_the_chart_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "hush")
    accepted(tmp_path, of_the_chart())
    check(K8sRunLauncher, run_launcher())
    for kind in (PostgresRunStorage, PostgresEventLogStorage, PostgresScheduleStorage):
        check(kind, {"postgres_db": postgres_db()})


def test_the_queue_could_not_be_set_twice(tmp_path: Path) -> None:
    twice = {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator"}
    with pytest.raises(DagsterInvalidConfigError, match="run_queue"):
        accepted(tmp_path, of_the_chart() | {"run_coordinator": twice})


def test_a_cluster_speaks_to_postgresql_by_the_driver_that_is_installed() -> None:
    url = pg_url_from_config({"postgres_db": postgres_db() | {"password": "hush"}})
    assert url == "postgresql+psycopg2://agentworld:hush@postgres:5432/dagster"


def test_pods_of_runs_stop_their_stages_before_they_are_killed() -> None:
    spec = run_launcher()["run_k8s_config"]["pod_spec_config"]
    sections = [load_preset(path).compute for path in (INFRA / "presets").glob("*.yaml")]
    longest = max(section.needs(stage).grace_s for section in sections for stage in section.stages)
    assert spec["terminationGracePeriodSeconds"] > longest + LEEWAY_S


def test_dagster_takes_the_settings_over_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTWORLD_DATABASE", "postgresql+psycopg2://agentworld@postgres/dagster")
    found = accepted(tmp_path, yaml.safe_load(settings()))
    assert found["storage"] == {"postgres": {"postgres_url": {"env": "AGENTWORLD_DATABASE"}}}
    check(DagsterPostgresStorage, found["storage"]["postgres"])
