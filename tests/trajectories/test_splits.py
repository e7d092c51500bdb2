import json
import random

import pytest

from agentworld_dag.config import Splits
from agentworld_dag.errors import ConfigError, StoreError, TrajectoryError
from agentworld_dag.trajectories import parquet
from agentworld_dag.trajectories.schema import Trajectory, Turn
from agentworld_dag.trajectories.splits import SPLITS, Split, groups, overlap, pair_overlap, read_splits, split, work

SHARES = Splits(cpt=0.2, rl=0.2, validation=0.1, held_out=0.1)


def pools_of(**members: list[Trajectory]) -> dict[Split, list[Trajectory]]:
    return {name: members.get(name, []) for name in SPLITS}


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


def test_groups_join_through_a_shared_task_and_a_shared_session(episode):
    task = json.dumps({"id": "t1", "goal": 1})
    renamed = json.dumps({"goal": 1, "id": "t2"})
    linked = [
        episode("a", task=task),
        episode("b", initial_state="x=1\ncwd=~", task=renamed),
        episode("c", initial_state="x=1\ncwd=~"),
        episode("d", initial_state="y=1\ncwd=~"),
    ]
    names = groups(linked)
    assert names[0] == names[1] == names[2] != names[3]


@pytest.mark.parametrize("kind", ["id", "session", "task"])
def test_overlap_can_fail(episode, kind):
    task = json.dumps({"id": "t", "goal": 1})
    twins = {
        "id": (episode("a"), episode("a", initial_state="x=1\ncwd=~")),
        "session": (episode("a"), episode("b")),
        "task": (episode("a", task=task), episode("b", initial_state="x=1\ncwd=~", task=task)),
    }[kind]
    found = overlap(pools_of(held_out=[twins[0]], sft=[twins[1]]))
    assert found == {"id": 0, "session": 0, "task": 0} | {kind: 1}


def test_overlap_ignores_repeats_inside_one_pool(episode):
    assert overlap(pools_of(sft=[episode("a"), episode("a")])) == {"id": 0, "session": 0, "task": 0}


def test_pair_overlap_counts_state_and_action_together(episode):
    asked = episode(turns=(Turn("ls", "~$", "a=1\ncwd=~"), Turn("ls", "~$", "a=1\ncwd=~")))
    known = episode(turns=(Turn("ls", "~$", "cwd=~"), Turn("cat a", "~$", "cwd=~")))
    assert pair_overlap([known], [asked]) == 0.5
    assert pair_overlap([], [asked]) == 0.0
    assert pair_overlap([known], []) == 0.0


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


def test_a_task_that_is_not_json_names_the_trajectory(episode):
    with pytest.raises(TrajectoryError, match=r"task of trajectory episode-1 is not JSON"):
        groups([episode(task="{")])


def test_work_writes_five_files_and_counts(tmp_path, sessions, stage):
    parquet.write_trajectories(tmp_path / "trajectories.parquet", sessions)
    metrics = work(stage({"clean_trajectories": tmp_path}, splits=SHARES))
    pools = read_splits(tmp_path / "out")
    assert metrics["trajectories"] == {name: len(pool) for name, pool in pools.items()}
    assert sum(metrics["turns"].values()) == sum(len(t.turns) for t in sessions)
    assert metrics["overlap"] == {"id": 0, "session": 0, "task": 0}
    assert 0 < metrics["pair_overlap"]["held_out"] <= 1


def test_a_missing_split_file_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"held_out\.parquet"):
        read_splits(tmp_path)
