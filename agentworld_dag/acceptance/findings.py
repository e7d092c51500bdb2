"""What has to be seen of two turns of the loop, the second one without the local lake, and whether it was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentworld_dag.acceptance.evidence import Made, came_back, counted, local_databases
from agentworld_dag.acceptance.leaks import files, objects, rows, search
from agentworld_dag.acceptance.servers import Servers
from agentworld_dag.home import REMOTE_LAKE, Home
from agentworld_dag.lake.remote import connected
from agentworld_dag.lake.shared import SharedLake


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    what: str
    seen: str
    holds: bool


def reuse(
    first: Mapping[str, Made], second: Mapping[str, Made], before: Mapping[Path, str], lake: SharedLake
) -> list[Finding]:
    """`before`: the digests of what the first turn made."""
    fresh = sum(not made.reused for made in first.values())
    again = sorted(name for name, made in second.items() if not made.reused)
    whole = came_back(lake, before)
    return [
        Finding("artifacts made in the first turn", f"{fresh} of {len(first)}", 0 < fresh == len(first)),
        Finding(
            "made again without the local lake",
            ", ".join(again) or f"none of {len(second)}",
            not again and second.keys() == first.keys(),
        ),
        Finding("came back whole from the bucket", f"{len(whole)} of {len(before)}", 0 < len(whole) == len(before)),
    ]


def record(place: Home, servers: Servers, runs_before: Mapping[str, int], models: Sequence[str]) -> list[Finding]:
    """`runs_before`: MLflow's runs after the first turn, by status."""
    turns = counted(servers.database, "runs", "status")
    runs = counted(servers.mlflow_database, "runs", "status")
    versions = counted(servers.mlflow_database, "model_versions", "name")
    held = sum(1 for _ in objects(connected(servers.mlflow_artifacts)))
    local = local_databases(place)
    return [
        Finding("runs of Dagster in PostgreSQL", _listed(turns), turns == {"SUCCESS": 2}),
        Finding("runs of MLflow in PostgreSQL", _listed(runs), runs.keys() == {"FINISHED"} and runs == runs_before),
        Finding("versions of models in PostgreSQL", _listed(versions), versions.keys() == set(models)),
        Finding("files of MLflow in the bucket", str(held), held > 0),
        Finding("SQLite files below the home", ", ".join(map(str, local)) or "none", not local),
    ]


def secrecy(place: Home, servers: Servers, logs: Path) -> Finding:
    """Keys and passwords, looked for in everything that was written but the servers' own files."""
    bucket = connected(servers.environment[REMOTE_LAKE].rpartition("/")[0])
    searched = {
        "files": [search(files(folder), servers.secrets) for folder in (place.root, logs)],
        "objects": [search(objects(bucket), servers.secrets)],
        "rows": [search(rows(url), servers.secrets) for url in (servers.database, servers.mlflow_database)],
    }
    found = [name for searches in searched.values() for each in searches for name in each.found]
    amounts = ", ".join(f"{sum(each.searched for each in searches)} {kind}" for kind, searches in searched.items())
    return Finding("keys and passwords", f"{', '.join(found[:5]) or 'none'} in {amounts}", not found)


def table(findings: Sequence[Finding]) -> str:
    width = max(len(finding.what) for finding in findings)
    lines = [f"{'ok' if each.holds else 'NOT OK':<8}{each.what:<{width}}  {each.seen}" for each in findings]
    return "\n".join(["", *lines, ""])


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
