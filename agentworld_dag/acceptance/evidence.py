"""What turns of the loop left behind, read where it has to lie: Dagster's record, PostgreSQL's tables, the bucket."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from agentworld_dag.home import Home
from agentworld_dag.lake.manifest import manifest_of
from agentworld_dag.lake.shared import SharedLake


@dataclass(frozen=True)
class Made:
    """What one run says of an artifact."""

    folder: Path
    reused: bool


def newest_run(instance: dg.DagsterInstance) -> dict[str, Made]:
    """By asset: the artifacts of the run that was begun last."""
    [record] = instance.get_run_records(limit=1)
    events = instance.all_logs(record.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    told = {str(e.asset_key.to_user_string()): e for e in (event.asset_materialization for event in events) if e}
    return {
        name: Made(Path(str(event.metadata["path"].value)), bool(event.metadata["reused"].value))
        for name, event in told.items()
        if "reused" in event.metadata
    }


def contents(made: Mapping[str, Made]) -> dict[Path, str]:
    """Digests of artifacts that are on this machine, every file of them."""
    return {each.folder: manifest_of(each.folder).content for each in made.values()}


def came_back(lake: SharedLake, before: Mapping[Path, str]) -> list[Path]:
    """The artifacts that are, or can be fetched, with all the bytes they had before."""
    return [folder for folder, digest in before.items() if manifest_of(lake.pulled(folder)).content == digest]


def counted(url: str, table: str, column: str) -> dict[str, int]:
    """How many rows of a database's table have each value of a column."""
    from sqlalchemy import create_engine, text

    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(text(f"SELECT {column}, count(*) FROM {table} GROUP BY {column}")).all()
    finally:
        engine.dispose()
    return {str(value): int(count) for value, count in rows}


def local_databases(home: Home) -> list[Path]:
    """What would hold a record if PostgreSQL did not."""
    return sorted(home.root.rglob("*.db"))
