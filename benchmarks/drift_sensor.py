"""How often the watch cries wolf and how soon it sees a drop, by simulation: `python benchmarks/drift_sensor.py`.

Histories of probes are drawn for a domain like the terminal of the tiny preset
and for a noisy one, and followed as the sensor follows them, with the preset's
limits. Every history draws its own reference, as a promotion does. Quiet
histories count false alarms; in the others fidelity drops by ten points, at
once or over ten probes, and caught is who raises the alarm by the third probe
of the whole drop and not before it began. Then all again with a fifth of the
probes missing, a fifth late and a fifth sent twice. Intervals are exact
(Clopper and Pearson).
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.random import Generator
from scipy.stats import binomtest

from agentworld_dag.config import load_preset
from agentworld_dag.evaluation.plots import BLUE, GREY, STYLE, save_png
from agentworld_dag.home import preset_path
from agentworld_dag.monitoring.champion import reference_of
from agentworld_dag.monitoring.detector import QUIET_PROBES, log_threshold
from agentworld_dag.monitoring.settings import Watch
from agentworld_dag.monitoring.watch import Probe, Reference, counted, watched

DROP, SLOW_PROBES, CAUGHT_WITHIN = 0.10, 10, 3
LATEST_START = 30
TURNS = 10
PRESET = load_preset(preset_path("tiny"))
PROBE_SIZES = (100, 200, 300)
"""In episodes, in the picture."""
DISTURBED_SHARE = 0.2


@dataclass(frozen=True)
class Domain:
    """A probe wanders, an episode has a chance of its own, a turn is right or wrong."""

    name: str
    fidelity: float
    spread: float
    """Standard deviation of an episode's chance."""
    wander: float
    """Standard deviation of a probe's mean."""


@dataclass(frozen=True)
class Scenario:
    domain: Domain
    drop: str
    """`none`, `sudden` or `slow`."""
    disturbed: bool
    episodes: int


@dataclass(frozen=True)
class Outcome:
    before: float
    """Largest log evidence before the drop began, over all probes where there is none."""
    after: float
    """And from then to the third probe of the whole drop."""


Curves = dict[tuple[str, int], tuple[list[Outcome], list[Outcome]]]
"""Domain and episodes of a probe -> quiet histories, and histories with a sudden drop."""
DOMAINS = (Domain("terminal", 0.92, 0.12, 0.003), Domain("noisy", 0.60, 0.20, 0.01))


def main() -> None:
    options = _options()
    limits = PRESET.watch
    threshold = log_threshold(limits.false_alarm_share)
    with Pool(options.processes) as pool:
        simulate = partial(simulated, pool, options, limits)
        sys.stdout.write(f"{'domain':10}{'drop':8}{'probes':11}{'episodes':>9}{'histories':>10}   share [95 %]\n")
        for scenario in scenarios(options.episodes):
            sys.stdout.write(line(scenario, simulate(scenario), threshold) + "\n")
            sys.stdout.flush()
        if options.picture:
            save_png(picture(trade_offs(simulate), threshold), options.picture)


def scenarios(episodes: int) -> list[Scenario]:
    return [
        Scenario(domain, drop, disturbed, episodes)
        for domain in DOMAINS
        for drop in ("none", "sudden", "slow")
        for disturbed in (False, True)
    ]


def simulated(pool: Pool, options: argparse.Namespace, limits: Watch, scenario: Scenario) -> list[Outcome]:
    seeds = np.random.SeedSequence(options.seed).spawn(options.histories)
    return pool.map(partial(history, scenario, limits), seeds, chunksize=50)


def history(scenario: Scenario, limits: Watch, seed: np.random.SeedSequence) -> Outcome:
    """One deployment, watched probe by probe."""
    rng = np.random.default_rng(seed)
    start = QUIET_PROBES if scenario.drop == "none" else int(rng.integers(1, LATEST_START))
    whole = start + (SLOW_PROBES if scenario.drop == "slow" else 0)
    length = start if scenario.drop == "none" else whole + 3 * CAUGHT_WITHIN
    made = [Probe(f"{n:04d}", tuple(scores(scenario, _mean(scenario, n, start), rng))) for n in range(length)]
    arrived = list(counted(disturbed(made, rng) if scenario.disturbed else made, limits))
    evidence = [alarm.detector.log_evidence for alarm in watched(reference(scenario, rng), arrived, limits)][1:]
    return _outcome([int(probe.id) for probe in arrived], evidence, start, whole)


def _mean(scenario: Scenario, number: int, start: int) -> float:
    """The probe's true fidelity."""
    steps = SLOW_PROBES if scenario.drop == "slow" else 0
    done = 1.0 if number >= start + steps else max(0.0, (number - start + 1) / (steps + 1))
    return scenario.domain.fidelity - (DROP * done if number >= start else 0.0)


def scores(scenario: Scenario, mean: float, rng: Generator) -> list[float]:
    """The exact shares of one probe's episodes."""
    return _episodes(scenario.domain, mean + rng.normal(0.0, scenario.domain.wander), scenario.episodes, rng)


def reference(scenario: Scenario, rng: Generator) -> Reference:
    found = _episodes(scenario.domain, scenario.domain.fidelity, PRESET.probe.reference_episodes, rng)
    return Reference("champion", *reference_of({"": found})[""])


def _episodes(domain: Domain, mean: float, count: int, rng: Generator) -> list[float]:
    mean = min(max(mean, 0.01), 0.99)
    weight = mean * (1 - mean) / min(domain.spread**2, 0.9 * mean * (1 - mean)) - 1
    return (rng.binomial(TURNS, rng.beta(mean * weight, (1 - mean) * weight, count)) / TURNS).tolist()


def disturbed(probes: Sequence[Probe], rng: Generator) -> list[Probe]:
    """A fifth is lost, of the rest a fifth comes up to three probes late and a fifth comes twice."""
    arrivals = []
    for place, probe in enumerate(probes):
        if rng.random() >= DISTURBED_SHARE:
            late = rng.uniform(1, 4) if rng.random() < DISTURBED_SHARE else 0.0
            arrivals += [(place + late, probe)] * (2 if rng.random() < DISTURBED_SHARE else 1)
    return [probe for _, probe in sorted(arrivals, key=lambda arrival: arrival[0])]


def _outcome(numbers: Sequence[int], evidence: Sequence[float], start: int, whole: int) -> Outcome:
    """Up to the arrival of the third probe of the whole drop."""
    begun = next((i for i, number in enumerate(numbers) if number >= start), len(numbers))
    of_whole = [i for i, number in enumerate(numbers) if number >= whole][:CAUGHT_WITHIN]
    end = of_whole[-1] + 1 if of_whole else len(numbers)
    return Outcome(max(evidence[:begun], default=-np.inf), max(evidence[begun:end], default=-np.inf))


def alarm_shares(outcomes: Sequence[Outcome], threshold: float) -> tuple[int, int]:
    """(false alarms, drops that were caught and had no false alarm before)."""
    false = sum(each.before >= threshold for each in outcomes)
    return false, sum(each.before < threshold <= each.after for each in outcomes)


def line(scenario: Scenario, outcomes: Sequence[Outcome], threshold: float) -> str:
    false, caught = alarm_shares(outcomes, threshold)
    count, what = (false, "false alarms") if scenario.drop == "none" else (caught, f"caught within {CAUGHT_WITHIN}")
    test = binomtest(count, len(outcomes))
    ends = test.proportion_ci()
    told = f"{what} {test.statistic:.4f} [{ends.low:.4f}, {ends.high:.4f}]"
    probes = "disturbed" if scenario.disturbed else "all"
    return f"{scenario.domain.name:10}{scenario.drop:8}{probes:11}{scenario.episodes:>9}{len(outcomes):>10}   {told}"


def trade_offs(simulate: Callable[[Scenario], list[Outcome]]) -> Curves:
    return {
        (domain.name, episodes): (
            simulate(Scenario(domain, "none", False, episodes)),
            simulate(Scenario(domain, "sudden", False, episodes)),
        )
        for domain in DOMAINS
        for episodes in PROBE_SIZES
    }


@mpl.rc_context(STYLE)
def picture(curves: Curves, chosen: float) -> Figure:
    """Caught drops against false alarms, for every threshold; a panel per domain and a line per probe size."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = dict(zip((domain.name for domain in DOMAINS), figure.subplots(1, len(DOMAINS), sharey=True), strict=True))
    for (name, episodes), (quiet, sudden) in curves.items():
        axis, thresholds = panels[name], np.linspace(-2.0, 16.0, 181)
        false = [alarm_shares(quiet, h)[0] / len(quiet) for h in thresholds]
        caught = [sum(each.after >= h for each in sudden) / len(sudden) for h in thresholds]
        axis.plot(false, caught, label=f"{episodes} episodes", color=BLUE, alpha=episodes / PROBE_SIZES[-1])
        here = int(np.argmin(np.abs(thresholds - chosen)))
        axis.plot(false[here], caught[here], "o", color=BLUE, alpha=episodes / PROBE_SIZES[-1])
    for name, axis in panels.items():
        axis.axvline(0.01, color=GREY, linewidth=1)
        axis.axhline(0.95, color=GREY, linewidth=1)
        axis.set(title=name, xlabel=f"false alarms in {QUIET_PROBES} quiet probes", ylim=(0, 1.02))
        axis.set_xscale("symlog", linthresh=0.001)
        axis.set_xlim(0.0, 1.0)
        axis.legend(loc="lower right")
    panels[DOMAINS[0].name].set_ylabel(f"10-point drops caught within {CAUGHT_WITHIN} probes")
    return figure


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--histories", type=int, default=2000, help="of each kind")
    parser.add_argument("--episodes", type=int, default=PRESET.probe.episodes, help="of a probe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--picture", type=Path, help="draw the trade-off there, in as much time again")
    return parser.parse_args()


if __name__ == "__main__":
    main()
