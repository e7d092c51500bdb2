"""The probe of the champions in use, on real shells; and that no two kinds of episodes share a number."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from agentworld_dag.assets.monitoring import FIRST_EPISODE, PROBES, real_env_probe
from agentworld_dag.evaluation import comparison
from agentworld_dag.monitoring.champion import AGENT
from agentworld_dag.monitoring.settings import EPISODES_PER_PROBE, Probe
from agentworld_dag.rounds import EPISODES_PER_ROUND, number_of
from agentworld_dag.sensors.history import leads_of, probe_metadata
from agentworld_dag.trajectories.parquet import read_trajectories
from tests.assets.conftest import Materialize, failure, metadata
from tests.assets.forged_round import forge_round, record_champion
from tests.small_loop import small_preset

LAST_ROUND = number_of("round-999999")
QUICK: dict[str, Any] = {"agent": {"max_new_tokens": 8}, "collection": {"turns_per_episode": 4}}


def test_rounds_probes_and_comparisons_have_numbers_of_their_own() -> None:
    last_of_rounds = LAST_ROUND * EPISODES_PER_ROUND - 1
    last_of_probes = FIRST_EPISODE + PROBES * EPISODES_PER_PROBE - 1
    first_of_comparisons = comparison.FIRST_EPISODE + EPISODES_PER_ROUND
    assert last_of_rounds < FIRST_EPISODE
    assert last_of_probes < first_of_comparisons


@pytest.mark.parametrize(
    ("field", "limit"),
    [("episodes", EPISODES_PER_PROBE), ("tasks", EPISODES_PER_PROBE), ("reference_episodes", EPISODES_PER_ROUND)],
)
def test_no_probe_and_no_comparison_runs_into_the_next(field: str, limit: int) -> None:
    sizes = small_preset().probe.model_dump()
    assert getattr(Probe(**sizes | {field: limit}), field) == limit
    with pytest.raises(ValidationError, match=field):
        Probe(**sizes | {field: limit + 1})


def test_without_a_champion_there_is_one_clear_error(materialize: Materialize) -> None:
    told = failure(materialize([real_env_probe], partition=None))
    assert told.startswith("StoreError: there is no champion to probe; approve a candidate in MLflow first")


def test_both_champions_and_the_ones_before_them_are_probed(
    materialize: Materialize, instance: dg.DagsterInstance, tmp_path: Path, base: Path, splits: Path, client: Any
) -> None:
    rounds = [
        forge_round(instance, tmp_path / "lake", base, splits, client, name) for name in ("round-0001", "round-0002")
    ]
    champion = None
    for version, folders in enumerate(rounds, start=1):
        before = version - 1 or None
        where = {"version": version, "round_name": f"round-000{version}", "previous": before}
        champion = record_champion(instance, folders, **where)
        record_champion(instance, folders, AGENT, **where)
    assert champion is not None
    made = [materialize([real_env_probe], partition=None, **QUICK) for _ in range(2)]
    assert all(each.success for each in made)
    shown = [metadata(each, "real_env_probe") for each in made]
    assert shown[0]["champion"] == "world-model-2"
    assert len(shown[0]["scores"]["terminal"]) == 8
    assert shown[0]["probe"] != shown[1]["probe"]
    numbers = [{e.id for e in read_trajectories(Path(each["path"]) / "episodes.parquet")} for each in shown]
    assert not numbers[0] & numbers[1], "every probe asks fresh episodes"
    for model in ("world-model", "agent-policy"):
        leads = list(leads_of(probe_metadata(instance, champion), model))
        assert [(lead.value, lead.chance) for lead in leads] == [(0.0, 1.0)] * 2, "equal models, so equal answers"


def test_a_champion_whose_artifact_is_gone_is_one_clear_error(
    materialize: Materialize, instance: dg.DagsterInstance
) -> None:
    record_champion(instance, {"simulator": Path("gone")})
    told = failure(materialize([real_env_probe], partition=None))
    assert told.startswith("StoreError: world-model-1 is used from ")
    assert "which is gone; restore it, or promote another" in told
