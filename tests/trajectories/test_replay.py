import json
from dataclasses import replace

import pytest

from agentworld_dag.errors import StoreError
from agentworld_dag.trajectories.parquet import write_trajectories
from agentworld_dag.trajectories.pools import EARLIER_HELD_OUT, SPLITS, TRAINING, Pools
from agentworld_dag.trajectories.replay import draw, place, read_earlier
from agentworld_dag.trajectories.schema import Trajectory

TASK = json.dumps({"id": "t1", "goal": 1})
RENAMED = json.dumps({"id": "t2", "goal": 1})


def pools_of(**members: list[Trajectory]) -> Pools:
    return {name: members.get(name, []) for name in SPLITS}


@pytest.fixture
def many(episode):
    """Builds sessions that share nothing; the names of all start with `prefix`."""

    def build(prefix: str, count: int) -> list[Trajectory]:
        return [episode(f"{prefix}{number}", initial_state=f"{prefix}={number}\ncwd=~") for number in range(count)]

    return build


def test_without_earlier_rounds_everything_is_free_and_in_order(many):
    fresh = many("f", 5)
    placement = place(fresh, read_earlier([]))
    assert placement.free == fresh
    assert placement.inherited == pools_of()
    assert placement.dropped == []


@pytest.mark.parametrize("kind", ["id", "session", "task"])
@pytest.mark.parametrize("pool", SPLITS)
def test_a_shared_key_decides_the_pool(episode, kind, pool):
    known = episode("known", initial_state="k=1\ncwd=~", task=TASK)
    twin = {
        "id": episode("known", initial_state="f=1\ncwd=~"),
        "session": episode("fresh", initial_state="k=1\ncwd=~"),
        "task": episode("fresh", initial_state="f=1\ncwd=~", task=RENAMED),
    }[kind]
    stranger = episode("stranger", initial_state="s=1\ncwd=~")
    placement = place([twin, stranger], pools_of(**{pool: [known]}))
    assert placement.inherited == pools_of(**{pool: [twin]})
    assert placement.free == [stranger]


def test_a_shared_key_binds_through_other_fresh_ones(episode):
    known = episode("known", initial_state="k=1\ncwd=~")
    near = episode("near", initial_state="k=1\ncwd=~", task=TASK)
    far = episode("far", initial_state="f=1\ncwd=~", task=RENAMED)
    assert place([far, near], pools_of(held_out=[known])).inherited["held_out"] == [far, near]


def test_a_group_that_several_pools_claim_is_dropped_whole(episode):
    known, other = episode("known", initial_state="k=1\ncwd=~"), episode("other", initial_state="o=1\ncwd=~")
    bridge = [replace(known, id="x", task=TASK), replace(other, id="y", task=TASK)]
    placement = place(bridge, pools_of(held_out=[known], sft=[other]))
    assert placement.dropped == bridge
    assert placement.inherited == pools_of()
    assert place(bridge, pools_of(sft=[known, other])).inherited["sft"] == bridge


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.25, 100), (0.5, 300), (0.6, 450), (0.9, 500)])
def test_replay_has_its_share_of_the_result_as_long_as_there_is_enough(many, share, count):
    fresh, earlier = pools_of(sft=many("f", 300)), pools_of(sft=many("e", 500), held_out=many("h", 500))
    drawn = draw(fresh, earlier, share, 0, "round-0002")
    assert {name: len(pool) for name, pool in drawn.items()} == {"cpt": 0, "rl": 0, "sft": count}
    assert all(t.id.startswith("e") for t in drawn["sft"])


def test_the_draw_follows_seed_and_round_and_not_the_order(many):
    fresh, earlier = pools_of(rl=many("f", 300)), many("e", 500)

    def drawn(pool, seed=0, round_name="round-0002"):
        return draw(fresh, pools_of(rl=pool), 0.25, seed, round_name)["rl"]

    assert drawn(earlier) == drawn(earlier[::-1])
    assert drawn(earlier) != drawn(earlier, seed=1)
    assert drawn(earlier) != drawn(earlier, round_name="round-0003")


def test_what_is_fresh_is_not_replayed_as_well(many):
    fresh = many("f", 30)
    assert draw(pools_of(cpt=fresh), pools_of(cpt=fresh[:10]), 0.25, 0, "round-0002")["cpt"] == []


def written(folder, pools, held_out_earlier=()):
    for name, trajectories in pools.items():
        write_trajectories(folder / f"{name}.parquet", trajectories)
    write_trajectories(folder / EARLIER_HELD_OUT, held_out_earlier)
    return folder


def test_earlier_rounds_are_read_together_and_each_trajectory_once(tmp_path, many):
    a, b = many("a", 10), many("b", 10)
    first = written(tmp_path / "1", pools_of(sft=a[:5], held_out=a[5:]))
    second = written(tmp_path / "2", pools_of(sft=[*b[:5], *a[:2]], held_out=b[5:]), a[5:])
    assert read_earlier([first, second]) == pools_of(sft=a[:5] + b[:5], held_out=a[5:] + b[5:])
    assert read_earlier([second])["held_out"] == b[5:] + a[5:]


def test_a_lake_older_than_the_file_of_earlier_sessions_is_read(tmp_path, many):
    folder = written(tmp_path, pools_of(held_out=many("a", 3)))
    (folder / EARLIER_HELD_OUT).unlink()
    assert len(read_earlier([folder])["held_out"]) == 3


@pytest.mark.parametrize("name", TRAINING)
def test_a_missing_earlier_pool_is_named(tmp_path, name):
    written(tmp_path, pools_of())
    (tmp_path / f"{name}.parquet").unlink()
    with pytest.raises(StoreError, match=rf"{name}\.parquet"):
        read_earlier([tmp_path])
