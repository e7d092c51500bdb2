"""Stage scripts as pods of a Kubernetes cluster.

Kubernetes' own client runs them, because dagster-k8s's `PipesK8sClient` names
pods at random and so cannot attach to one that is there, deletes the pod when
the connection breaks, and keeps to itself why a pod ended. Which cluster, and
by which credentials, comes from the environment: the pod's own service account
inside a cluster, `KUBECONFIG` outside.
"""

import os
from threading import Event
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from agentworld_dag.compute import Needs
from agentworld_dag.resources.ending import Ending, refuse_several_nodes, run_to_the_end
from agentworld_dag.resources.kubernetes_pod import Place, pod_body, pod_ending, pod_name, vanished
from agentworld_dag.resources.kubernetes_pods import Pods
from agentworld_dag.resources.preset import RunPreset
from agentworld_dag.resources.remote_job import INTERRUPTS, JobLog
from agentworld_dag.resources.script import Script

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api


class KubernetesJobs(dg.ConfigurableResource):
    """Pods outlive the step that started them; the next step that wants the same artifact attaches to its pod."""

    tracking_uri: str
    """The MLflow server that stages log to, as pods see it, without a password."""
    image: str
    """Has this package and its `train` extra; a preset may name another one for a stage."""
    namespace: str = "default"
    python: str = "python"
    """The image's interpreter."""
    claims: dict[str, str] = Field(default={})
    """Persistent volume claim -> folder where it is mounted. The lake lies at the same path as here; none with S3."""
    secrets: list[str] = Field(default=[])
    """Secrets whose keys become environment variables of a stage: S3, MLflow and judge credentials."""
    node_selector: dict[str, str] = Field(default={})
    service_account: str | None = None
    pod_security: dict[str, Any] = Field(default={})
    """The pod's `securityContext`, as Kubernetes takes it: who runs it, and who may write on its claims."""
    container_security: dict[str, Any] = Field(default={})
    """That of its container. A namespace of the level `restricted` wants both."""
    patience_s: int = 3600
    """How long the cluster may be out of reach before the step gives up; its pod goes on."""

    def launch(self, context: dg.AssetExecutionContext, script: Script, preset: RunPreset) -> None:
        needs = script.needs(preset)
        refuse_several_nodes(script, needs, "a pod has one")
        run_to_the_end(context, script, needs, lambda: self._attempt(context, script, preset, needs))

    def _attempt(self, context: dg.AssetExecutionContext, script: Script, preset: RunPreset, needs: Needs) -> Ending:
        pods, begun = Pods(context, _core(), self.namespace, self.patience_s), Event()
        # Until then a pod of this name is another's, or over, and its log not this attempt's.
        log = JobLog(lambda: pods.lines(pod_name(script)) if begun.is_set() else iter(()))
        with dg.open_pipes_session(context, dg.PipesEnvContextInjector(), log) as session:
            environment = {**script.environment(preset, self.tracking_uri), **session.get_bootstrap_env_vars()}
            command = script.command(preset, self.python)
            body = pod_body(script, needs, self.place, command, environment, context.run_id)
            try:
                pods.begin(body)
                begun.set()
                pod, is_there = pods.ended(pod_name(script))
            except INTERRUPTS:
                pods.stop(pod_name(script), str(script.out), needs.grace_s)
                raise
        if not is_there:
            return vanished(pod)
        assert pod is not None
        pods.clear(pod)
        return pod_ending(pod, session.get_custom_messages())

    @property
    def place(self) -> Place:
        return Place(
            self.image,
            self.claims,
            self.secrets,
            self.node_selector,
            self.service_account,
            self.pod_security,
            self.container_security,
        )


def _core() -> "CoreV1Api":
    from kubernetes import client, config

    configuration = client.Configuration()
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(client_configuration=configuration)
    else:
        config.load_kube_config(os.environ.get("KUBECONFIG"), client_configuration=configuration)
    return client.CoreV1Api(client.ApiClient(configuration))
