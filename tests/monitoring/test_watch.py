import dataclasses

import numpy as np
import pytest

from agentworld_dag.monitoring.settings import Watch
from agentworld_dag.monitoring.watch import HOUR_S, Probe, Reference, Retraining, decide

LIMITS = Watch(
    tolerance=0.02,
    false_alarm_share=0.005,
    least_episodes=30,
    quiet_share=0.01,
    cool_down_h=12,
    retrainings_per_week=2,
    gpu_hours_per_week=4,
)
REFERENCE = Reference("world-model-1", 0.92, 0.91)
NOW = 1_000_000.0
HEALTHY, DROPPED = 0.92, 0.75


def probes(*chances: float, episodes: int = 60) -> list[Probe]:
    rng = np.random.default_rng(0)
    return [
        Probe(f"{number:04d}", tuple((rng.binomial(10, chance, episodes) / 10).tolist()))
        for number, chance in enumerate(chances, start=1)
    ]


def asked(
    hours_ago: float,
    gpu_s: float = 0.0,
    running: bool = False,
    champion: str = "world-model-1",
    undecided: bool = False,
) -> Retraining:
    return Retraining(champion, NOW - hours_ago * HOUR_S, gpu_s, running, undecided)


def test_a_drop_asks_for_a_retraining_and_names_its_numbers() -> None:
    found = decide(REFERENCE, probes(HEALTHY, HEALTHY, DROPPED, DROPPED), [], LIMITS, NOW)
    assert found.key is not None
    assert found.key.startswith("world-model-1-000")
    for told in ("drop since probe", "was in 0.920", "may be in 0.890", "an alarm at 9.9"):
        assert told in found.reason


def test_quiet_probes_ask_for_nothing_and_say_so() -> None:
    found = decide(REFERENCE, probes(*[HEALTHY] * 30), [], LIMITS, NOW)
    assert found.key is None
    assert found.reason.startswith("no drop: probe 0030 is exact in 0.9")


def test_without_a_probe_nothing_is_decided() -> None:
    found = decide(REFERENCE, [], [], LIMITS, NOW)
    assert (found.key, found.reason) == (None, "no drop: no probe of world-model-1 yet")


def test_the_same_record_gives_the_same_key_whoever_looks_and_whenever() -> None:
    record = probes(HEALTHY, DROPPED, DROPPED, DROPPED)
    first = decide(REFERENCE, record, [], LIMITS, NOW)
    assert decide(REFERENCE, [*record, record[1]], [], LIMITS, NOW + 60) == first


def test_a_late_probe_counts_when_it_comes() -> None:
    healthy, *dropped = probes(HEALTHY, 0.82, 0.82)
    late = decide(REFERENCE, [dropped[1], healthy, dropped[0]], [], LIMITS, NOW)
    assert late.key == f"world-model-1-{dropped[0].id}-0"


def test_a_probe_that_comes_twice_counts_once() -> None:
    record = probes(HEALTHY, HEALTHY, 0.88)
    assert decide(REFERENCE, record + record[-1:] * 50, [], LIMITS, NOW).key is None


def test_a_probe_that_is_missing_only_costs_its_own_evidence() -> None:
    record = probes(HEALTHY, DROPPED, DROPPED, DROPPED)
    assert decide(REFERENCE, [record[0], record[3]], [], LIMITS, NOW).key is not None


def test_a_small_probe_is_left_out_and_named() -> None:
    found = decide(REFERENCE, probes(DROPPED, episodes=29), [], LIMITS, NOW)
    assert found.key is None
    assert "1 with fewer than 30 episodes left out" in found.reason


@pytest.mark.parametrize(
    ("retrainings", "told"),
    [
        ([asked(20, running=True)], "under way"),
        ([asked(99), asked(24 * 9, undecided=True)], "nobody has decided yet on the candidate"),
        ([asked(5)], "7.0 h of 12 h are left"),
        ([asked(13), asked(50)], "2 retrainings are used up"),
        ([asked(13, gpu_s=5 * HOUR_S)], "5.0 of the week's 4 GPU-hours are used up"),
    ],
)
def test_a_drop_waits_while_something_stands_in_the_way(retrainings: list[Retraining], told: str) -> None:
    found = decide(REFERENCE, probes(DROPPED, DROPPED, DROPPED), retrainings, LIMITS, NOW)
    assert found.key is None
    assert found.reason.startswith("drop since probe 0001, but ")
    assert told in found.reason


def test_what_lies_over_a_week_back_costs_no_budget() -> None:
    old = [asked(24 * 8), asked(24 * 9)]
    assert decide(REFERENCE, probes(DROPPED, DROPPED), old, LIMITS, NOW).key is not None


def test_a_drop_that_a_retraining_did_not_mend_asks_again_under_another_key() -> None:
    record = probes(DROPPED, DROPPED, DROPPED)
    first, second = (decide(REFERENCE, record, before, LIMITS, NOW).key for before in ([], [asked(13)]))
    assert first
    assert second
    assert first != second
    of_another = decide(REFERENCE, record, [asked(13, champion="world-model-0")], LIMITS, NOW).key
    assert of_another == first


def test_a_new_champion_starts_anew() -> None:
    promoted = dataclasses.replace(REFERENCE, champion="world-model-2")
    assert decide(promoted, probes(HEALTHY), [], LIMITS, NOW).key is None


def test_an_alarm_holds_while_the_evidence_hovers_and_ends_when_it_is_gone() -> None:
    """A recovery that leaves the evidence just below what raises an alarm does not raise it anew for one drop."""
    record = probes(DROPPED, DROPPED, HEALTHY, *[0.97] * 40)
    keys = [decide(REFERENCE, record[:n], [], LIMITS, NOW).key for n in range(1, len(record) + 1)]
    alarms = [key for key in keys if key]
    assert alarms
    assert len(set(alarms)) == 1
    assert keys[-1] is None


def test_what_an_older_retraining_used_this_week_counts() -> None:
    found = decide(REFERENCE, probes(DROPPED, DROPPED), [asked(24 * 8, gpu_s=5 * HOUR_S)], LIMITS, NOW)
    assert "5.0 of the week's 4 GPU-hours are used up" in found.reason


def test_only_probes_since_a_time_are_evidence() -> None:
    record = [dataclasses.replace(probe, at=NOW + n) for n, probe in enumerate(probes(DROPPED, DROPPED, DROPPED))]
    assert decide(REFERENCE, record, [], LIMITS, NOW, since=NOW + 9).reason == "no drop: no probe of world-model-1 yet"
    found = decide(REFERENCE, record, [], LIMITS, NOW, since=NOW + 1)
    assert (found.key, found.alarm_at) == ("world-model-1-0002-0", NOW + 1)
    again = [*record, dataclasses.replace(record[0], at=NOW + 9)]
    assert decide(REFERENCE, again, [], LIMITS, NOW, since=NOW + 9).key is None


def test_an_alarm_says_when_the_probe_came_in_that_raised_it() -> None:
    record = [dataclasses.replace(probe, at=NOW + n) for n, probe in enumerate(probes(HEALTHY, DROPPED, DROPPED))]
    assert decide(REFERENCE, record[:1], [], LIMITS, NOW).alarm_at == 0.0
    held = decide(REFERENCE, record, [asked(5)], LIMITS, NOW)
    assert held.key is None
    assert held.alarm_at == decide(REFERENCE, record, [], LIMITS, NOW).alarm_at > NOW
