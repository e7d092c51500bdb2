"""The loop over a real S3 server and PostgreSQL, twice, and proof of what that is said to give: `make acceptance`.

    python -m agentworld_dag.acceptance.loop --preset tiny --seed 0

The second turn begins without the local lake: what it does not find in the
bucket it would have to train again. Exit code 0 only if everything in the
printed table was seen. Stays: the logs, in `<home>/acceptance/logs`.
"""

import argparse
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from agentworld_dag.acceptance.evidence import Made, contents, counted, newest_run
from agentworld_dag.acceptance.findings import Finding, record, reuse, secrecy, table
from agentworld_dag.acceptance.servers import CEPH, Servers, scripted, servers_over
from agentworld_dag.drill.processes import stop
from agentworld_dag.errors import AgentWorldError, RunError
from agentworld_dag.home import ROOT, Home, home
from agentworld_dag.jobs.instance import opened
from agentworld_dag.lake.shared import opened as opened_lake
from agentworld_dag.monitoring.champion import AGENT, WORLD_MODEL

log = logging.getLogger("agentworld_dag.acceptance")


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 when all was seen, 1 when not or on an AgentWorldError, 130 when interrupted."""
    parser = argparse.ArgumentParser(
        description="The loop over a real S3 server and PostgreSQL, and what it must show."
    )
    parser.add_argument("--preset", default="tiny", help="a name under infra/presets, or a path")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for asked in (signal.SIGINT, signal.SIGTERM):  # a shell has its background processes ignore the first
        signal.signal(asked, signal.default_int_handler)
    root = home().root / "acceptance"
    turn = [sys.executable, "-m", "agentworld_dag.cli", "run", "--preset", options.preset, "--seed", str(options.seed)]
    try:
        findings = accepted(turn, root)
    except AgentWorldError as error:
        log.error("%s: %s", type(error).__name__, error)
        return 1
    except KeyboardInterrupt:
        log.error("interrupted; everything that was started has been stopped")
        return 130
    sys.stdout.write(table(findings))
    return 0 if all(finding.holds for finding in findings) else 1


def accepted(command: Sequence[str], root: Path) -> list[Finding]:
    """Run the command on servers of its own, and say what was seen. Raises RunError."""
    logs = root / "logs"
    for earlier in (logs, root / "home"):
        shutil.rmtree(earlier, ignore_errors=True)
    logs.mkdir(parents=True)
    try:
        with (
            scripted(CEPH, root / "servers" / "ceph") as s3,
            servers_over(s3, root / "servers", logs) as servers,
        ):
            point_at(servers)
            return findings_of(command, Home(root / "home"), servers, logs, (WORLD_MODEL, AGENT))
    finally:
        for made in ("home", "servers"):
            shutil.rmtree(root / made, ignore_errors=True)


def point_at(servers: Servers) -> None:
    """This process and its children use these servers, and no other that the environment names."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(servers.environment)


def findings_of(
    command: Sequence[str], place: Home, servers: Servers, logs: Path, models: Sequence[str]
) -> list[Finding]:
    """Two turns, the second without the local lake. The servers' variables must be in this process's environment."""
    first = turned(command, place, logs / "first-turn.log")
    before, runs = contents(first), counted(servers.mlflow_database, "runs", "status")
    shutil.rmtree(place.lake)
    second = turned(command, place, logs / "second-turn.log")
    return [
        *reuse(first, second, before, opened_lake()),
        *record(place, servers, runs, models),
        secrecy(place, servers, logs),
    ]


def turned(command: Sequence[str], place: Home, log_file: Path) -> dict[str, Made]:
    """What one turn made, by Dagster's record. Raises RunError."""
    environment = {**os.environ, ROOT: str(place.root)}
    with (
        log_file.open("w") as told,
        # In a session of its own, so that a ctrl-C reaches it from here alone.
        subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as turn,
    ):
        try:
            for line in turn.stdout or ():
                told.write(line)
                sys.stderr.write(line)
        except BaseException:
            stop([turn])
            raise
    if turn.returncode:
        raise RunError(f"{' '.join(command)} ended with code {turn.returncode}; see {log_file}")
    with opened(place) as instance:
        return newest_run(instance)


if __name__ == "__main__":
    sys.exit(main())
