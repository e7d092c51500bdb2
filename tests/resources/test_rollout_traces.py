"""Rollouts as traces of a real MLflow store, read back the way the Traces tab reads them."""

from collections.abc import Mapping

import pytest
from mlflow.entities import Trace
from mlflow.exceptions import MlflowException
from mlflow.tracing.client import TracingClient
from mlflow.tracking import MlflowClient

from agentworld_dag.errors import RegistryError
from agentworld_dag.monitoring.rollouts import Rollout, RolloutTurn
from agentworld_dag.resources import rollout_traces
from agentworld_dag.resources.registry import ModelRegistry

TAGS = {"version": "2", "model": "world-model", "round": "round-0002"}
TURNS = (
    RolloutTurn("cat docs/list", "cat\ndog", "cat\ndog", True, champion="cat"),
    RolloutTurn("rm memo", None, "", False, champion=""),
    RolloutTurn("grep 'a|b' naïve.txt", "a", "a", True),
)
ROLLOUTS = [Rollout("episode 17", "cwd=~\nmemo=red", TURNS), Rollout("episode 18", "cwd=~/docs", TURNS[:1])]


def traces(client: MlflowClient, experiment: str, tags: Mapping[str, str] = TAGS) -> dict[str, Trace]:
    """By title."""
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    wanted = " and ".join(f"tag.{key} = '{value}'" for key, value in tags.items())
    stored = client.search_traces(locations=[found.experiment_id], filter_string=wanted)
    assert len({trace.info.tags["mlflow.traceName"] for trace in stored}) == len(stored)
    return {trace.info.tags["mlflow.traceName"]: trace for trace in stored}


def test_one_trace_per_rollout_is_found_by_its_tags(registry: ModelRegistry, client: MlflowClient, model: str) -> None:
    registry.log_rollouts(model, ROLLOUTS, TAGS)
    found = traces(client, model)
    assert set(found) == {"episode 17", "episode 18"}
    info = found["episode 17"].info
    assert (info.state, info.request_preview, info.response_preview) == (
        "OK",
        "episode 17: cwd=~\nmemo=red",
        "2 of 3 turns exact",
    )
    assert traces(client, model, TAGS | {"version": "3"}) == {}


def test_spans_hold_what_was_said(registry: ModelRegistry, client: MlflowClient, model: str) -> None:
    registry.log_rollouts(model, ROLLOUTS, TAGS)
    root, *turns = sorted(traces(client, model)["episode 17"].data.spans, key=lambda span: span.span_id)
    assert (root.name, root.parent_id, root.inputs) == (
        "episode 17",
        None,
        {"initial_state": "```\ncwd=~\nmemo=red\n```"},
    )
    assert root.outputs == {"exact_share": pytest.approx(2 / 3), "exact": "2 of 3 turns"}
    assert [span.name for span in turns] == ["1 cat docs/list", "2 ✗ rm memo", "3 grep 'a|b' naïve.txt"]
    assert {span.parent_id for span in turns} == {root.span_id}
    assert [span.inputs for span in turns] == [{"action": f"```\n{turn.action}\n```"} for turn in TURNS]
    assert [span.outputs for span in turns] == [
        {"predicted": "```\ncat\ndog\n```", "truth": "```\ncat\ndog\n```", "exact": True, "champion": "```\ncat\n```"},
        {"predicted": None, "truth": "```\n\n```", "exact": False, "champion": "```\n\n```"},
        {"predicted": "```\na\n```", "truth": "```\na\n```", "exact": True, "champion": None},
    ]
    assert [span.status.status_code for span in turns] == ["OK", "ERROR", "OK"]
    assert [span.name for span in sorted(turns, key=lambda span: span.start_time_ns)] == [span.name for span in turns]


def test_a_fence_is_longer_than_those_in_what_was_printed(
    registry: ModelRegistry, client: MlflowClient, model: str
) -> None:
    printed = RolloutTurn("cat notes.md", "```\nls\n```", "````", False)
    registry.log_rollouts(model, [Rollout("episode 1", "", (printed,))], TAGS)
    [turn] = [span for span in traces(client, model)["episode 1"].data.spans if span.parent_id]
    assert turn.outputs["predicted"] == "````\n```\nls\n```\n````"
    assert turn.outputs["truth"] == "`````\n````\n`````"


def test_a_second_call_adds_only_what_is_new(
    registry: ModelRegistry, client: MlflowClient, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout_traces, "TRACES_PER_PAGE", 1)
    registry.log_rollouts(model, ROLLOUTS, TAGS)
    first = traces(client, model)
    registry.log_rollouts(model, [*ROLLOUTS, Rollout("episode 19", "", TURNS)], TAGS)
    second = traces(client, model)
    assert set(second) == {*first, "episode 19"}
    assert {title: second[title].to_dict() for title in first} == {t: each.to_dict() for t, each in first.items()}


def test_a_rollout_that_reads_otherwise_takes_the_place_of_the_one_of_its_title(
    registry: ModelRegistry, client: MlflowClient, model: str
) -> None:
    other = TAGS | {"model": "agent-policy"}
    for tags in (TAGS, other):
        registry.log_rollouts(model, ROLLOUTS, tags)
    old, apart = traces(client, model), traces(client, model, other)
    changed = Rollout("episode 17", "cwd=~\nmemo=red", TURNS[1:])
    registry.log_rollouts(model, [changed, ROLLOUTS[1]], TAGS)
    new = traces(client, model)
    assert set(new) == {"episode 17", "episode 18"}
    assert new["episode 17"].info.response_preview == "1 of 2 turns exact"
    assert new["episode 18"].info.trace_id == old["episode 18"].info.trace_id
    assert set(traces(client, model, other)) == set(apart), "those of another model stay"


@pytest.mark.parametrize("other", [{"version": "3"}, {"model": "agent-policy"}])
def test_another_version_or_model_has_traces_of_its_own(
    registry: ModelRegistry, client: MlflowClient, model: str, other: dict[str, str]
) -> None:
    registry.log_rollouts(model, ROLLOUTS, TAGS)
    registry.log_rollouts(model, ROLLOUTS, TAGS | other)
    old, new = traces(client, model), traces(client, model, TAGS | other)
    assert set(old) == set(new)
    assert {trace.info.trace_id for trace in old.values()}.isdisjoint(trace.info.trace_id for trace in new.values())


def test_an_interrupted_trace_is_completed(
    registry: ModelRegistry, client: MlflowClient, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: TracingClient, trace_info: object) -> None:
        raise MlflowException("the server went away")

    with monkeypatch.context() as broken:
        broken.setattr(TracingClient, "start_trace", refuse)
        with pytest.raises(RegistryError, match="the server went away"):
            registry.log_rollouts(model, ROLLOUTS, TAGS)
    assert traces(client, model) == {}
    registry.log_rollouts(model, ROLLOUTS, TAGS)
    assert [len(trace.data.spans) for _, trace in sorted(traces(client, model).items())] == [4, 2]
    assert len(traces(client, model, {})) == 2


def test_traces_show_on_the_run_they_are_given(
    registry: ModelRegistry, client: MlflowClient, model: str, run_id: str
) -> None:
    registry.log_rollouts("agentworld/round-0001", ROLLOUTS, TAGS | {"model": model}, run_id)
    experiment = client.get_run(run_id).info.experiment_id
    assert len(client.search_traces(locations=[experiment], run_id=run_id)) == 2


def test_two_rollouts_of_one_title_are_refused(registry: ModelRegistry, model: str) -> None:
    with pytest.raises(RegistryError, match="2 rollouts have the title 'episode 17'"):
        registry.log_rollouts(model, [ROLLOUTS[0], ROLLOUTS[0]], TAGS)


def test_a_version_tag_is_asked_for(registry: ModelRegistry, model: str) -> None:
    with pytest.raises(RegistryError, match="expected a tag 'version'"):
        registry.log_rollouts(model, ROLLOUTS, {"model": "world-model"})
