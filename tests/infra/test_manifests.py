"""What is applied to a cluster: against Kubernetes' schema, strictly, against each other, and against what is asked."""

import inspect
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
from dagster_k8s import client

from agentworld_dag.home import Home
from agentworld_dag.resources import kubernetes_pods
from agentworld_dag.resources.kubernetes_jobs import KubernetesJobs
from agentworld_dag.resources.kubernetes_pod import pod_body
from agentworld_dag.resources.launchers import kubernetes
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.script import Script
from tests.infra.commands import check_command
from tests.infra.files import (
    HELM,
    INFRA,
    ROOT,
    code_environment,
    code_server,
    documents,
    names_of,
    stage_settings,
    values,
)
from tests.resources.kubernetes_stub import SCHEMA

MANIFESTS = [
    (path.name, each) for path in sorted(HELM.glob("*.yaml")) if path.name != "values.yaml" for each in documents(path)
]
RESOURCES = {"pod": "pods", "pod_log": "pods/log", "event": "events", "job": "jobs", "job_status": "jobs/status"}
CONTAINER = ("env", "resources", "readinessProbe")


@pytest.mark.parametrize(("file", "manifest"), MANIFESTS, ids=[f"{file}-{each['kind']}" for file, each in MANIFESTS])
def test_the_schema_of_kubernetes_is_held_strictly(file: str, manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, SCHEMA, strict=True)


def test_secrets_have_a_shape_and_no_values() -> None:
    secrets = documents(HELM / "secrets.yaml")
    assert {each["kind"] for each in secrets} == {"Secret"}
    assert {value for each in secrets for value in each["stringData"].values()} == {""}


def test_names_lead_somewhere() -> None:
    secrets = names_of(HELM / "secrets.yaml", "Secret")
    services = names_of(HELM / "services.yaml", "Service")
    text = (HELM / "services.yaml").read_text()
    assert set(re.findall(r"secretKeyRef:\s+name: (\S+)", text)) <= secrets
    assert {each["name"] for each in code_server()["envSecrets"]} <= secrets
    assert values()["global"]["postgresqlSecretName"] in secrets
    assert values()["global"]["serviceAccountName"] in names_of(HELM / "rights.yaml", "ServiceAccount")
    assert values()["postgresql"]["postgresqlHost"] in services
    assert urlsplit(code_environment()["MLFLOW_TRACKING_URI"]).hostname in services
    assert set(re.findall(r"@([a-z]+)/", text)) <= services


def test_services_lead_to_pods() -> None:
    manifests = documents(HELM / "services.yaml")
    pods = [each["spec"]["template"] for each in manifests if each["kind"] in ("Deployment", "StatefulSet")]
    found = [(pod["metadata"]["labels"], pod["spec"]["containers"][0]["ports"][0]["containerPort"]) for pod in pods]
    services = [each["spec"] for each in manifests if each["kind"] == "Service"]
    assert [(each["selector"], each["ports"][0]["port"]) for each in services] == found


def part(values: dict[str, Any]) -> dict[str, Any]:
    """What of a chart's values becomes a pod, as one."""
    container = {"name": "it", "image": "it"} | {key: values[key] for key in CONTAINER if key in values}
    container |= {"envFrom": [{"secretRef": each} for each in values.get("envSecrets", [])]}
    spec = {"containers": [container], "securityContext": values["podSecurityContext"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "it"}, "spec": spec}


def test_what_the_values_say_of_pods_holds_the_schema() -> None:
    for each in (code_server(), values()["dagsterWebserver"], values()["dagsterDaemon"]):
        kubernetes_validate.validate(part(each), SCHEMA, strict=True)
    wrong = code_server() | {"podSecurityContext": {"runAsRoot": False}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(part(wrong), SCHEMA, strict=True)


def test_the_web_server_is_asked_where_it_listens() -> None:
    webserver = values()["dagsterWebserver"]
    assert webserver["readinessProbe"]["httpGet"]["port"] == webserver["service"]["port"] > 1023


def allowed() -> set[tuple[str, str]]:
    [role] = [each for each in documents(HELM / "rights.yaml") if each["kind"] == "Role"]
    return {(verb, what) for rule in role["rules"] for verb in rule["verbs"] for what in rule["resources"]}


def asked(module: ModuleType) -> set[tuple[str, str]]:
    """(verb, resource) of each call of Kubernetes' client in the source of a module."""
    calls = re.findall(r"(?:core|core_api|batch_api)\.([a-z]+)_namespaced_([a-z_]+)", inspect.getsource(module))
    return {("get" if verb == "read" else verb, RESOURCES[what]) for verb, what in calls}


def test_dagster_may_do_what_its_launchers_ask_and_no_more() -> None:
    of_stages, of_runs = asked(kubernetes_pods), asked(client)
    assert of_stages == {("create", "pods"), ("get", "pods"), ("delete", "pods"), ("get", "pods/log")}
    assert ("create", "jobs") in of_runs
    assert allowed() == of_stages | of_runs


def test_rights_go_to_dagster_alone() -> None:
    [binding] = [each for each in documents(HELM / "rights.yaml") if each["kind"] == "RoleBinding"]
    assert [each["name"] for each in binding["subjects"]] == [values()["global"]["serviceAccountName"]]
    stage = stage_settings()["service_account"]
    [account] = [each for each in documents(HELM / "rights.yaml") if each["metadata"]["name"] == stage]
    assert account["automountServiceAccountToken"] is False


def test_mlflow_is_started_as_its_program_takes_it() -> None:
    [deployment] = [each for each in documents(HELM / "services.yaml") if each["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    check_command(container["command"])
    assert container["image"] == stage_settings()["image"]


def test_the_databases_are_those_of_the_compose_file() -> None:
    [config] = [each for each in documents(HELM / "services.yaml") if each["kind"] == "ConfigMap"]
    assert config["data"] == {"databases.sql": (INFRA / "postgres-databases.sql").read_text()}


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KubernetesJobs:
    """The launcher as the values set it up."""
    for name, value in code_environment().items():
        monkeypatch.setenv(name, value)
    return kubernetes(Home(tmp_path))


def test_the_launcher_takes_its_settings(jobs: KubernetesJobs) -> None:
    image = code_server()["image"]
    assert jobs.image == f"{image['repository']}:{image['tag']}"
    assert set(jobs.secrets) <= names_of(HELM / "secrets.yaml", "Secret")
    assert jobs.service_account in names_of(HELM / "rights.yaml", "ServiceAccount")
    assert jobs.tracking_uri == code_environment()["MLFLOW_TRACKING_URI"]


def test_the_pod_of_a_stage_is_as_shown(jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """stage-pod.yaml is what the launcher asks for, in the image's folders."""
    monkeypatch.setenv("AGENTWORLD_HOME", "/data")
    preset = RunPreset(name="small", seed=0)
    lake = Path("/data/lake")
    inputs = {"world_model_cpt": lake / "world_model_cpt" / "round-0001" / "ba9876543210"}
    out = lake / "world_model_sft" / "round-0001" / "0123456789ab"
    script = Script("agentworld_dag.training.sft", "round-0001", out, inputs, {}, 0, tracked=True)
    environment = script.environment(preset, jobs.tracking_uri)
    body = pod_body(script, script.needs(preset), jobs.place, script.command(preset, jobs.python), environment, "RUN")
    [shown] = documents(HELM / "stage-pod.yaml")
    assert json.loads(json.dumps(body).replace(str(ROOT), "/opt/agentworld")) == shown
