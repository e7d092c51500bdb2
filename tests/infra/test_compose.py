"""The compose file against itself and what it names. No container is started: none can be, where this is developed."""

import re
from typing import Any

import pytest

from tests.infra.commands import check_command
from tests.infra.files import INFRA, ROOT, compose, document, is_secret

TEXT = (INFRA / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = compose()["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "agentworld-dag"}
INTERPOLATED = re.compile(r"\$\{([A-Z_0-9]+)(?::([?-])([^}]*))?\}")


TOP = {"name", "services", "networks", "volumes", "configs", "secrets", "models", "include", "version"}
OF_A_SERVICE = {
    *("annotations", "attach", "build", "blkio_config", "cap_add", "cap_drop", "cgroup", "cgroup_parent", "command"),
    *("configs", "container_name", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_rt_period"),
    *("cpu_rt_runtime", "cpu_shares", "cpus", "cpuset", "credential_spec", "depends_on", "deploy", "develop"),
    *("device_cgroup_rules", "devices", "dns", "dns_opt", "dns_search", "domainname", "driver_opts", "entrypoint"),
    *("env_file", "environment", "expose", "extends", "external_links", "extra_hosts", "gpus", "group_add"),
    *("healthcheck", "hostname", "image", "init", "ipc", "isolation", "label_file", "labels", "links", "logging"),
    *("mac_address", "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "models", "network_mode"),
    *("networks", "oom_kill_disable", "oom_score_adj", "pid", "pids_limit", "platform", "ports", "post_start"),
    *("pre_stop", "privileged", "profiles", "provider", "pull_policy", "read_only", "restart", "runtime", "scale"),
    *("secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "storage_opt"),
    *("sysctls", "tmpfs", "tty", "ulimits", "use_api_socket", "user", "userns_mode", "uts", "volumes", "volumes_from"),
    "working_dir",
}
OF_A_HEALTHCHECK = {"disable", "interval", "retries", "start_interval", "start_period", "test", "timeout"}
OF_A_DEPENDENCY = {"condition", "required", "restart"}
"""Keys that the specification of compose has; those that begin with x- are anybody's."""


def unknown_keys(file: dict[str, Any]) -> list[str]:
    """Where they stand."""
    known = [("", file, TOP)]
    for name, service in file["services"].items():
        known.append((f"{name}.", service, OF_A_SERVICE))
        known.append((f"{name}.healthcheck.", service.get("healthcheck", {}), OF_A_HEALTHCHECK))
        dependencies = service.get("depends_on", {}).items()
        known += [(f"{name}.depends_on.{other}.", how, OF_A_DEPENDENCY) for other, how in dependencies]
    return [f"{at}{key}" for at, found, keys in known for key in found if key not in keys and not key.startswith("x-")]


def examples() -> dict[str, str]:
    lines = (INFRA / "compose.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def environment(service: dict[str, Any]) -> dict[str, str]:
    return service.get("environment", {})


def test_every_key_is_one_that_compose_knows() -> None:
    assert unknown_keys(compose()) == []


def test_a_misspelt_key_is_found() -> None:
    file = {"services": {"s3": {"helthcheck": {}, "healthcheck": {"intervall": "5s"}}}, "volume": {}, "x-ours": {}}
    assert unknown_keys(file) == ["volume", "s3.helthcheck", "s3.healthcheck.intervall"]


def test_the_example_names_every_variable_and_no_other() -> None:
    assert {name for name, _, _ in INTERPOLATED.findall(TEXT)} == set(examples())


def test_what_must_be_chosen_is_empty_in_the_example_and_the_rest_is_the_default() -> None:
    given = examples()
    for name, kind, text in INTERPOLATED.findall(TEXT):
        assert kind in ("?", "-"), f"{name} would be empty without a word"
        assert given[name] == ("" if kind == "?" else text), name


@pytest.mark.parametrize("name", SERVICES)
def test_services_wait_for_what_can_be_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other], other
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no", f"{other} would never be over"


def test_what_stays_up_tells_whether_it_is_well() -> None:
    assert [name for name, each in SERVICES.items() if each["restart"] != "no" and "healthcheck" not in each] == []


def test_ports_are_on_loopback_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)


def test_secrets_come_from_the_environment_and_are_on_no_command_line() -> None:
    given = [value for each in SERVICES.values() for name, value in environment(each).items() if is_secret(name)]
    assert len(given) > 5
    assert all(INTERPOLATED.fullmatch(value) for value in given)
    commands = [INTERPOLATED.findall(str(service.get("command"))) for service in SERVICES.values()]
    assert [name for found in commands for name, _, _ in found if is_secret(name)] == []


def test_volumes_and_configs_are_declared_and_used() -> None:
    mounted = [str(each).split(":")[0] for service in SERVICES.values() for each in service.get("volumes", [])]
    assert {each for each in mounted if not each.startswith(".")} == set(compose()["volumes"])
    assert all((INFRA / each).exists() for each in mounted if each.startswith("."))
    used = {each["source"] for service in SERVICES.values() for each in service.get("configs", [])}
    assert used == set(compose()["configs"])


def test_the_image_is_built_from_the_repository() -> None:
    assert set(OURS) == {"bucket", "instance", "mlflow", "code", "daemon", "webserver"}
    for service in OURS.values():
        context = (INFRA / service["build"]["context"]).resolve()
        assert (context, (context / service["build"]["dockerfile"]).exists()) == (ROOT, True)


@pytest.mark.parametrize("name", OURS)
def test_addresses_are_those_of_services(name: str) -> None:
    text = " ".join(environment(OURS[name]).values())
    hosts = set(re.findall(r"(?:://|@)(?!lake\b)([a-z0-9]+)(?=[:/])", text))
    assert hosts <= set(SERVICES)
    assert ("postgres" in hosts) <= ("PGPASSWORD" in environment(OURS[name]))


@pytest.mark.parametrize("name", OURS)
def test_commands_are_ones_that_their_programs_take(name: str) -> None:
    for command in (OURS[name]["command"], OURS[name].get("healthcheck", {}).get("test", ["CMD", "python"])[1:]):
        files = [each for each in command if each.startswith("infra/")]
        assert all((ROOT / each).is_file() for each in files)
        check_command([each for each in command if each != "infra/dagster-part.sh"])


def test_what_compose_runs_of_infra_may_be_executed() -> None:
    assert (INFRA / "dagster-part.sh").stat().st_mode & 0o111


def test_everybody_finds_the_code_server() -> None:
    [server] = [each["grpc_server"] for each in document(INFRA / "compose-workspace.yaml")["load_from"]]
    command = SERVICES[server["host"]]["command"]
    assert command[command.index("--port") + 1] == str(server["port"])
    assert command[command.index("--host") + 1] == "0.0.0.0"


def test_the_daemon_sees_the_processes_of_runs() -> None:
    assert SERVICES["daemon"]["pid"] == "service:code"
    assert SERVICES["daemon"]["depends_on"]["code"]["restart"] is True


def test_the_databases_are_the_ones_that_are_made() -> None:
    own = SERVICES["postgres"]["environment"]
    made = [own["POSTGRES_DB"], *re.findall(r"CREATE DATABASE (\w+);", (INFRA / "postgres-databases.sql").read_text())]
    named = set(re.findall(r"postgresql\+psycopg2://(\w+)@postgres/(\w+)", TEXT))
    assert named == {(own["POSTGRES_USER"], database) for database in made}


def test_the_home_outlives_its_containers() -> None:
    assert all("data:/data" in service["volumes"] for service in OURS.values())
    assert "AGENTWORLD_HOME=/data " in (INFRA / "Dockerfile").read_text()
