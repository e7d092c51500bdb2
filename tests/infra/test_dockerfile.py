"""The image's recipe against the repository: what it copies, installs and runs as. It is not built here."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.infra.files import INFRA, ROOT, values

LINES = [line for line in (INFRA / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in LINES if line.startswith(f"{name} ")]


def ignored() -> list[str]:
    return (ROOT / ".dockerignore").read_text().split()


@pytest.mark.parametrize("source", [each for copied in instructions("COPY") for each in copied.split()[:-1]])
def test_what_is_copied_is_there(source: str) -> None:
    assert (ROOT / source).exists()
    assert source not in ignored()


def test_secrets_are_left_out() -> None:
    """`infra` is copied whole, and the compose file reads its passwords from infra/.env."""
    assert "**/.env" in ignored()
    assert ".env" in (ROOT / ".gitignore").read_text().split()


def test_python_is_one_that_the_project_takes() -> None:
    [base] = instructions("FROM")
    found = re.match(r"python:(\d+\.\d+)-", base)
    assert found
    assert found[1] in Requirement(f"python {PROJECT['requires-python']}").specifier


def required(extra: str | None) -> set[str]:
    """Packages of an extra, and of those it is made of; None: what is always installed."""
    listed = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    found: set[str] = set()
    for each in map(Requirement, listed):
        if each.name == PROJECT["name"]:
            found = found.union(*(required(other) for other in each.extras))
        else:
            found.add(canonicalize_name(each.name))
    return found


def test_everything_it_installs_is_pinned() -> None:
    [install] = [line for line in instructions("RUN") if "pip install" in line]
    assert install.endswith("--constraint constraints.txt")
    assert '".[${EXTRAS}]"' in install
    [extras] = [given.removeprefix("EXTRAS=") for given in instructions("ARG")]
    wanted = required(None).union(*(required(extra) for extra in extras.split(",")))
    assert {"torch", "dagster-postgres", "dagster-k8s", "kubernetes"} <= wanted
    pins = {canonicalize_name(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().split()}
    assert wanted - pins == set()


def test_it_does_not_run_as_root() -> None:
    """By number: for a name, Kubernetes cannot tell, and refuses it where root is not allowed."""
    assert LINES[-2] == "USER 1000:1000"
    for user in (values()["dagsterDaemon"]["podSecurityContext"], values()["dagsterWebserver"]["podSecurityContext"]):
        assert (user["runAsUser"], user["runAsNonRoot"]) == (1000, True)


def test_its_user_may_write_where_the_home_is() -> None:
    [given] = instructions("ENV")
    home, dagster = (re.search(rf"{name}=(\S+)", given) for name in ("AGENTWORLD_HOME", "DAGSTER_HOME"))
    assert home
    assert dagster
    [made] = [line for line in instructions("RUN") if "install -d --owner agentworld" in line]
    assert {home[1], dagster[1]} <= set(made.split())
    assert values()["global"]["dagsterHome"] == dagster[1]
    assert Path(dagster[1]).parent == Path(home[1])
