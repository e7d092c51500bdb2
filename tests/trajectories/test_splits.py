import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from agentworld_dag.config import Splits
from agentworld_dag.errors import ConfigError, TrajectoryError
from agentworld_dag.trajectories import parquet, splits
from agentworld_dag.trajectories.outlines import outline
from agentworld_dag.trajectories.pools import SPLITS, TRAINING, overlap, pool_file, read_earlier_held_out
from agentworld_dag.trajectories.round_plan import RoundPlan, write_plan
from agentworld_dag.trajectories.schema import Turn
from agentworld_dag.trajectories.splits import work

SHARES = Splits(cpt=0.2, rl=0.2, validation=0.1, held_out=0.1)


def split(trajectories, shares, seed, placed=None):
    """By the outlines of trajectories."""
    given = {name: outlined(pool) for name, pool in (placed or {}).items()}
    return splits.split(outlined(trajectories), shares, seed, given)


def outlined(trajectories):
    return [outline(trajectory, Path("nowhere")) for trajectory in trajectories]


def read_splits(folder):
    return {name: parquet.read_trajectories(pool_file(folder, name)) for name in SPLITS}


def ids_of(pools):
    return {name: [each.id for each in pool] for name, pool in pools.items()}


@pytest.fixture
def sessions(episode):
    """Random sessions in which states, action sequences and tasks repeat."""
    rng = random.Random(5)

    def session(number: int):
        actions = [rng.choice(["ls", "pwd", "cat a"]) for _ in range(rng.randint(2, 6))]
        task = json.dumps({"id": f"t{number}", "goal": rng.randrange(150)}) if rng.random() < 0.3 else ""
        turns = tuple(Turn(action, f"{number}\n~$", "cwd=~") for action in actions)
        return episode(f"e{number}", initial_state=f"a={rng.randrange(20)}\ncwd=~", turns=turns, task=task)

    return [session(number) for number in range(600)]


def test_every_trajectory_falls_into_one_pool(sessions):
    pools = split(sessions, SHARES, seed=0)
    assert sorted(t.id for pool in pools.values() for t in pool) == sorted(t.id for t in sessions)


@pytest.mark.parametrize("seed", range(5))
def test_pools_are_disjoint_by_id_session_and_task(sessions, seed):
    assert overlap(split(sessions, SHARES, seed)) == {"id": 0, "session": 0, "task": 0}


def test_shares_are_met_on_average(episode):
    sessions = [episode(f"e{number}", initial_state=f"a={number}\ncwd=~") for number in range(4000)]
    pools = split(sessions, SHARES, seed=0)
    found = {name: len(pool) / 4000 for name, pool in pools.items()}
    assert found == pytest.approx({"cpt": 0.2, "rl": 0.2, "validation": 0.1, "held_out": 0.1, "sft": 0.4}, abs=0.03)


def test_pools_do_not_depend_on_order(sessions):
    def members(pools):
        return {name: {t.id for t in pool} for name, pool in pools.items()}

    assert members(split(sessions, SHARES, 0)) == members(split(sessions[::-1], SHARES, 0))
    assert members(split(sessions, SHARES, 0)) != members(split(sessions, SHARES, 1))


def test_a_trajectory_keeps_its_pool_when_a_round_adds_data(episode):
    first = [episode(f"e{number}", initial_state=f"a={number}\ncwd=~") for number in range(300)]
    later = [episode(f"l{number}", initial_state=f"b={number}\ncwd=~") for number in range(300)]
    before, after = split(first, SHARES, 0), split(first + later, SHARES, 0)
    for name in SPLITS:
        assert {t.id for t in before[name]} <= {t.id for t in after[name]}


def test_shares_that_leave_sft_nothing_are_refused(sessions):
    greedy = Splits(cpt=0.5, rl=0.3, validation=0.1, held_out=0.1)
    with pytest.raises(ConfigError, match=r"is 1\.000; keep it below 1"):
        split(sessions, greedy, 0)


def test_an_empty_pool_is_refused_by_name(episode):
    with pytest.raises(TrajectoryError, match=r"1 trajectories leave .*held_out.* empty; collect more"):
        split([episode()], SHARES, 0)


def test_a_pool_without_a_share_may_be_empty(sessions):
    pools = split(sessions, Splits(cpt=0.0, rl=0.2, validation=0.1, held_out=0.1), 0)
    assert pools["cpt"] == []


def test_what_is_placed_already_stays_and_fills_its_pool(sessions, episode):
    known = episode("known", initial_state="k=1\ncwd=~")
    free, bound = split(sessions, SHARES, 0), split(sessions, SHARES, 0, {"validation": [known]})
    assert bound == free | {"validation": [*outlined([known]), *free["validation"]]}
    only_validation = Splits(cpt=0.0, rl=0.0, validation=0.1, held_out=0.0)
    assert split(sessions[:1], only_validation, 0, {"validation": [known]}) == {
        "held_out": [], "validation": outlined([known]), "rl": [], "cpt": [], "sft": outlined(sessions[:1])
    }  # fmt: skip


def test_work_writes_five_files_and_counts(tmp_path, sessions, stage):
    parquet.write_trajectories(tmp_path / "trajectories.parquet", sessions)
    metrics = work(stage({"clean_trajectories": tmp_path}, splits=SHARES))
    pools = read_splits(tmp_path / "out")
    assert metrics["trajectories"] == {name: len(pool) for name, pool in pools.items()}
    assert sum(metrics["turns"].values()) == sum(len(t.turns) for t in sessions)
    assert metrics["overlap"] == {"id": 0, "session": 0, "task": 0}
    assert 0 < metrics["pair_overlap"]["held_out"] <= 1


@pytest.fixture
def turned(tmp_path, episode, stage):
    """Turns rounds one after another: metrics and folder of each, all earlier folders in its plan."""
    folders = []

    def turn(fresh):
        number = len(folders) + 1
        clean, plan, out = (tmp_path / f"{name}{number}" for name in ("clean", "plan", "out"))
        for folder in (clean, plan, out):
            folder.mkdir()
        parquet.write_trajectories(clean / "trajectories.parquet", fresh)
        write_plan(plan, RoundPlan(None, tuple(folders)))
        running = stage({"clean_trajectories": clean, "round_plan": plan}, splits=SHARES)
        metrics = work(replace(running, out=out, round_name=f"round-{number:04d}"))
        folders.append(out)
        return metrics, out

    return turn


def fresh_sessions(episode, prefix, count):
    return [episode(f"{prefix}{number}", initial_state=f"{prefix}={number}\ncwd=~") for number in range(count)]


def ids(trajectories):
    return {trajectory.id for trajectory in trajectories}


def test_the_first_round_is_split_as_without_a_plan(turned, sessions):
    metrics, folder = turned(sessions)
    assert ids_of(read_splits(folder)) == ids_of(split(sessions, SHARES, 1))
    assert read_earlier_held_out(folder) == []
    assert metrics["replayed"] == dict.fromkeys(TRAINING, 0)
    assert metrics["inherited"] == dict.fromkeys(SPLITS, 0)
    assert metrics["dropped"] == 0


def test_a_third_round_replays_both_and_holds_out_what_both_held_out(turned, episode):
    rounds = [fresh_sessions(episode, prefix, 400) for prefix in "abc"]
    (_, first), (_, second), (metrics, third) = [turned(fresh) for fresh in rounds]
    pools, old = read_splits(third), [read_splits(first), read_splits(second)]
    for name in TRAINING:
        replayed = [t.id for t in pools[name] if not t.id.startswith("c")]
        assert len(replayed) == len(set(replayed)) == metrics["replayed"][name]
        assert metrics["replayed"][name] / len(pools[name]) == pytest.approx(0.25, abs=0.01)
        assert {id[0] for id in replayed} == {"a", "b"}
        assert set(replayed) <= ids(old[0][name] + old[1][name])
    assert {t.id[0] for name in ("validation", "held_out") for t in pools[name]} == {"c"}
    held_out = read_earlier_held_out(third)
    assert [t.id for t in held_out] == [t.id for t in old[0]["held_out"] + old[1]["held_out"]]
    assert metrics["overlap"] == {"id": 0, "session": 0, "task": 0}


def test_sessions_recorded_again_stay_where_they_were_in_later_rounds(turned, episode, sessions):
    _, first = turned(sessions)
    again = [replace(trajectory, id=f"again-{trajectory.id}") for trajectory in sessions]
    metrics, second = turned(again + fresh_sessions(episode, "b", 400))
    old, pools = read_splits(first), read_splits(second)
    for name in SPLITS:
        assert ids(t for t in pools[name] if t.id.startswith("again")) == {f"again-{t.id}" for t in old[name]}
    assert metrics["inherited"] == {name: len(pool) for name, pool in old.items()}
    assert metrics["overlap"] == {"id": 0, "session": 0, "task": 0}


def test_a_session_that_binds_two_earlier_pools_is_dropped_with_its_group(turned, episode):
    first = fresh_sessions(episode, "a", 400)
    _, folder = turned(first)
    old = read_splits(folder)
    task = json.dumps({"goal": 1})
    bridge = [
        replace(old["held_out"][0], id="x", task=task),
        replace(old["sft"][0], id="y", task=task),
        episode("z", initial_state="z=1\ncwd=~", task=task),
    ]
    metrics, second = turned(bridge + fresh_sessions(episode, "b", 400))
    assert metrics["dropped"] == 3
    assert not ids(bridge) & {t.id for pool in read_splits(second).values() for t in pool}
    assert metrics["overlap"] == {"id": 0, "session": 0, "task": 0}


@pytest.mark.parametrize("held", ["held_out", "validation"])
def test_overlap_sees_training_on_what_an_earlier_round_kept_away(turned, episode, held):
    _, first = turned(fresh_sessions(episode, "a", 400))
    stolen = read_splits(first)[held][0]
    path = first / "sft.parquet"
    parquet.write_trajectories(path, [*parquet.read_trajectories(path), replace(stolen, id="forged")])
    metrics, _ = turned(fresh_sessions(episode, "b", 400))
    assert metrics["overlap"] == {"id": 0, "session": 1, "task": 0}
