"""The command `agentworld`, with one clear error when something cannot be done.

    agentworld run --preset tiny --seed 0      one turn of the loop: `make run`
    agentworld study --preset tiny --seeds 5   the loop over seeds, pooled: `make study`
    agentworld sizes --presets tiny tiny-wide  the loop over sizes of the model, compared: `make sizes`
    agentworld bench score JUDGED.jsonl        the benchmark alone, without the graph
    agentworld plan --preset base              what a size needs: memory, hours and money, computed
    agentworld image talkative                 change how the real shell's tools answer

Everything else a person does with the loop is done in the Dagster and MLflow
UIs (`make ui`) or with `dg`.
"""

import argparse
import logging
import sys
import time
from pathlib import Path

from agentworld_dag import preflight
from agentworld_dag.artifacts import naming_full_disk
from agentworld_dag.benchmark.parser import add_commands
from agentworld_dag.config import load_preset
from agentworld_dag.cost import process_started_at
from agentworld_dag.environments import images
from agentworld_dag.errors import AgentWorldError, ConfigError
from agentworld_dag.home import home, preset_path
from agentworld_dag.rounds import FIRST_ROUND

WALL_TIME = "%.0f s: %.0f s with a stage at work, %.0f s (%.0f %%) orchestration and process start-up"

log = logging.getLogger("agentworld_dag.cli")


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 when it is done, 1 on an AgentWorldError, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for library in ("alembic", "urllib3"):
        logging.getLogger(library).setLevel(logging.ERROR)
    try:
        options.command(options)
    except AgentWorldError as error:
        log.error("%s: %s", type(error).__name__, error)
        return 1
    except KeyboardInterrupt:
        log.error("interrupted; run again to go on from the last checkpoint")
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """One turn of the loop; ends with the report's table and the split of the wall time."""
    artifact = _turn_seeds(options.preset, options.round, [options.seed])[0]
    from agentworld_dag.evaluation.report import read_report
    from agentworld_dag.evaluation.tables import terminal_table

    page = home().reports / options.round / "report.html"
    sys.stdout.write(f"\n{terminal_table(read_report(artifact))}\n\nThe whole report: {page}\n")


def study(options: argparse.Namespace) -> None:
    """The loop once per seed, pooled into one page of results."""
    if options.seeds < 2:
        raise ConfigError(f"a study of {options.seeds} seed says nothing about seeds: expected two or more (SEEDS=2)")
    artifacts = _turn_seeds(options.preset, options.round, _seeds(options))
    from agentworld_dag.evaluation.report import read_report
    from agentworld_dag.evaluation.study import study as pool

    pool([read_report(folder) for folder in artifacts], options.out)
    log.info("results of %d seeds: %s", len(artifacts), options.out)


def sizes(options: argparse.Namespace) -> None:
    """The loop once per preset and seed, side by side on one page."""
    from agentworld_dag.evaluation.report import read_report, settings
    from agentworld_dag.evaluation.sizes import compare, refuse_unlike

    refuse_unlike([settings(load_preset(preset_path(name), options.round)) for name in options.presets])
    artifacts = [folder for name in options.presets for folder in _turn_seeds(name, options.round, _seeds(options))]
    compare([read_report(folder) for folder in artifacts], options.out)
    log.info("%d sizes: %s", len(options.presets), options.out)


def plan(options: argparse.Namespace) -> None:
    """Memory per GPU, hours and money of every stage that trains, by arithmetic; nothing is run."""
    from agentworld_dag.scale.table import page

    preset = load_preset(preset_path(options.preset), options.round)
    sys.stdout.write(page(preset, options.stage))


def image(options: argparse.Namespace) -> None:
    """Installs the named shell image; without a name says which is installed and which are known."""
    place = home().terminal_image
    if options.name is None:
        sys.stdout.write(f"installed: {images.installed(place)}\nknown: {', '.join(images.IMAGES)}\n")
        return
    images.install(options.name, place)
    sys.stdout.write(f"installed: {options.name}, for every real shell environment built from now on\n")


def drill(options: argparse.Namespace) -> None:
    """Change the real environment of a copy of the home, and watch the loop recover by itself."""
    from agentworld_dag.drill.observing import Timeline
    from agentworld_dag.drill.rehearsal import Plan, rehearse

    timeline = Timeline(log.info)
    asked = (options.preset, options.image, options.quiet_probes, options.deadline_s, options.kill_daemon)
    rehearse(Plan(home(), *asked), timeline)
    log.info("the drill passed in %.0f s: all of it was seen", timeline.seconds)


def _how_many(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 1 on")
    return int(text)


def _seeds(options: argparse.Namespace) -> list[int]:
    return list(range(options.first_seed, options.first_seed + options.seeds))


def _turn_seeds(preset: str, round_name: str, seeds: list[int]) -> list[Path]:
    """The report artifacts, one per seed."""
    here = home()
    preflight.check(preset, seeds, here, round_name)
    from agentworld_dag.jobs.instance import opened
    from agentworld_dag.jobs.turn import turn_the_loop

    reports, started_at = [], process_started_at()
    with naming_full_disk(here.root), opened(here) as instance:
        for seed in seeds:
            turn = turn_the_loop(instance, preset, seed, round_name, started_at)
            log.info("made now: %s", ", ".join(turn.made) or "nothing")
            log.info("reused: %s", ", ".join(turn.reused) or "nothing")
            log.info(WALL_TIME, turn.wall_s, turn.work_s, turn.overhead_s, 100 * turn.overhead_s / turn.wall_s)
            reports.append(turn.report)
            started_at = time.time()
    return reports


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agentworld", description=__doc__.splitlines()[0] if __doc__ else "")
    commands = parser.add_subparsers(required=True)
    turns = {
        run: "one turn of the loop",
        study: "the loop over several seeds",
        sizes: "the loop over sizes of the model",
    }
    for does, text in turns.items():
        sub = commands.add_parser(does.__name__, help=text)
        sub.set_defaults(command=does)
        sub.add_argument("--round", default=FIRST_ROUND)
        if does is not sizes:
            sub.add_argument("--preset", default="tiny", help="a name under infra/presets, or a path")
        if does is not run:
            sub.add_argument("--seeds", type=_how_many, default=5 if does is study else 1, help="how many")
            sub.add_argument("--first-seed", type=int, default=0, help="where they start")
    rehearsal = commands.add_parser("drill", help="a change of the real environment, noticed and followed")
    rehearsal.set_defaults(command=drill)
    rehearsal.add_argument("--preset", default="tiny", help="a name under infra/presets, or a path")
    rehearsal.add_argument("--image", default="talkative", help="what the real shell changes to")
    rehearsal.add_argument("--quiet-probes", type=int, default=2, help="before the change")
    rehearsal.add_argument("--deadline-s", type=float, default=900, help="for all of it")
    rehearsal.add_argument("--kill-daemon", action="store_true", help="in the middle of the retraining")
    arithmetic = commands.add_parser("plan", help="memory, hours and money of a preset's stages, computed")
    arithmetic.set_defaults(command=plan)
    arithmetic.add_argument("--preset", default="tiny", help="a name under infra/presets, or a path")
    arithmetic.add_argument("--round", default=FIRST_ROUND)
    arithmetic.add_argument("--stage", help="one script, such as training.sft; all that train by default")
    bench = commands.add_parser("bench", help="the benchmark alone, without the graph")
    add_commands(bench)
    shell_image = commands.add_parser("image", help="which image of the real shell is installed")
    shell_image.set_defaults(command=image)
    shell_image.add_argument("name", metavar="NAME", nargs="?", help="the one to install")
    commands.choices["run"].add_argument("--seed", type=int, default=0)
    commands.choices["study"].add_argument("--out", type=Path, default=Path("docs/results.md"))
    commands.choices["sizes"].add_argument("--presets", nargs="+", default=["tiny", "tiny-wide"], help="two or more")
    commands.choices["sizes"].add_argument("--out", type=Path, default=Path("docs/sizes.md"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
