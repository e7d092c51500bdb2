"""Pictures of both UIs over a finished round, for the README: docs/images/*.png.

    make screenshots

Starts the Dagster and MLflow servers on free loopback ports over
AGENTWORLD_HOME, looks at them with the system's chromium, and stops them.
After `make drill`, what the drill left is looked at in the same way.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from agentworld_dag.home import Home, home
from agentworld_dag.jobs.instance import prepare
from agentworld_dag.monitoring.champion import WORLD_MODEL
from agentworld_dag.monitoring.review import CHAMPION
from agentworld_dag.tracking import connect

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
OFFLINE = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
OFFLINE += ["--disable-sync", "--no-first-run"]
START_TIMEOUT_S = 120
DRAWING_MS = 3000
"""Both UIs go on drawing after their text is there; neither says when it is done."""
WAITING_MS = 60_000
WIDTH = 1800
TICKS_BACK = 20
"""Of the sensor's, at which a drill's retraining was under way: the last ones have little to tell."""


@dataclass(frozen=True)
class Shot:
    """One picture: where to look, and the text that is there once the data has arrived."""

    image: str
    server: str
    path: str
    awaits: str
    height: int = 1100
    clicks: str = ""
    """What is clicked once it is drawn."""


SHOTS = [
    Shot(
        "dagster-graph",
        "dagster",
        "/assets/agent_sim_rl?view=lineage&lineageScope=upstream&lineageDepth=10",
        "world_model_sft",
        height=960,
    ),
    Shot("dagster-asset", "dagster", "/assets/world_model_rl", "reward_curve"),
    Shot("dagster-leaderboard", "dagster", "/assets/leaderboard", "standing"),
    Shot("dagster-report", "dagster", "/assets/round_report", "report.html"),
    Shot("mlflow-runs", "mlflow", "/#/experiments/1/runs", "world_model_rl"),
    Shot("mlflow-model", "mlflow", "/#/models/world-model", "candidate"),
]

DRILL_SHOTS = [
    Shot(
        "drill-graph",
        "dagster",
        "/assets/candidate_comparison?view=lineage&lineageScope=upstream&lineageDepth=2",
        "2 partitions",
    ),
    Shot("drill-rounds", "dagster", "/assets/candidate_comparison?view=partitions&partition=round-0002", "fresh/"),
    Shot(
        "drill-sensor",
        "dagster",
        "/locations/agentworld_dag/sensors/retrain_on_fidelity_drop",
        "0 runs requested",
        clicks=f"td:nth-child(5) >> text=runs requested >> nth={TICKS_BACK}",
    ),
    Shot(
        "drill-probes",
        "dagster",
        "/assets/real_env_probe",
        "fidelity/champion/value",
        clicks="button:has-text('Plots')",
    ),
    Shot("drill-champion", "dagster", "/assets/world_model_champion", "promoted"),
]


def main() -> int:
    here = home()
    if not here.dagster.is_dir():
        sys.stderr.write(f"nothing to show in {here.root}: turn the loop first (make run)\n")
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    photograph(here, SHOTS)
    if (drilled := Home(here.root / "drill")).dagster.is_dir():
        photograph(drilled, [*DRILL_SHOTS, *review_shots(drilled)])
    return 0


def photograph(here: Home, shots: Sequence[Shot]) -> None:
    prepare(here)
    ports = {"dagster": free_port(), "mlflow": free_port()}
    with contextlib.ExitStack() as stack:
        for name, command in commands(ports, here.mlflow_uri).items():
            stack.enter_context(serving(command, ports[name]))
        page = stack.enter_context(browser_page())
        dismiss_assistant(page, f"http://127.0.0.1:{ports['mlflow']}")
        for shot in shots:
            take(page, shot, f"http://127.0.0.1:{ports[shot.server]}{shot.path}")


def review_shots(here: Home) -> list[Shot]:
    """The page a reviewer decided on, and one of the sessions to read."""
    client = connect(here.mlflow_uri)
    version = client.get_model_version_by_alias(WORLD_MODEL, CHAMPION)
    experiment = client.get_run(str(version.run_id)).info.experiment_id
    of_version = f"tag.version = '{version.version}'"
    trace = client.search_traces(locations=[experiment], filter_string=of_version, include_spans=False)[0]
    page = f"/#/models/{WORLD_MODEL}/versions/{version.version}"
    session = f"/#/experiments/{experiment}/traces?selectedEvaluationId={trace.info.trace_id}"
    return [
        Shot("drill-review", "mlflow", page, "What got worse", height=2000),
        Shot("drill-trace", "mlflow", session, "Inputs / Outputs", clicks="[role=dialog] >> text=/^1 (?!of)/ >> nth=0"),
    ]


def commands(ports: dict[str, int], mlflow_uri: str) -> dict[str, list[str]]:
    mlflow = ["mlflow", "server", "--workers", "1", "--backend-store-uri", mlflow_uri]
    return {
        "dagster": ["dagster-webserver", "-h", "127.0.0.1", "-p", str(ports["dagster"])],
        "mlflow": [*mlflow, "--host", "127.0.0.1", "--port", str(ports["mlflow"])],
    }


def take(page: Page, shot: Shot, url: str) -> None:
    page.set_viewport_size({"width": WIDTH, "height": shot.height})
    page.goto(url)
    page.get_by_text(shot.awaits).first.wait_for(timeout=WAITING_MS)
    page.wait_for_timeout(DRAWING_MS)
    if shot.clicks:
        page.locator(shot.clicks).click()
        page.wait_for_timeout(DRAWING_MS)
        page.get_by_text(shot.awaits).first.scroll_into_view_if_needed()
    path = IMAGES / f"{shot.image}.png"
    page.screenshot(path=path)
    print(path)


def dismiss_assistant(page: Page, url: str) -> None:
    page.goto(f"{url}/#/experiments/1/runs")
    close = page.get_by_role("button", name="Close")
    close.wait_for(timeout=WAITING_MS)
    close.click()
    page.wait_for_timeout(DRAWING_MS)


@contextlib.contextmanager
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
        yield browser.new_page(viewport={"width": WIDTH, "height": 1100})
        browser.close()


@contextlib.contextmanager
def serving(command: list[str], port: int) -> Iterator[None]:
    """A server that answers, stopped at the end with its children."""
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        wait_until_up(f"http://127.0.0.1:{port}/")
        yield
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def wait_until_up(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
