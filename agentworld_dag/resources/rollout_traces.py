"""Rollouts as MLflow traces: one trace per rollout, one span per turn.

`MlflowClient.start_trace` is not used: it writes to the tracking URI of the
process, from a thread, and swallows what goes wrong. Here finished spans are
handed to the store of the given client in the foreground, as MLflow's own
exporter does. The times of spans only order the turns: a rollout was recorded
earlier, and how long its turns took is not known here.

The UI shows text as Markdown, which folds lines and eats signs: what was typed
and printed is fenced, its end marked by the fence alone.
"""

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agentworld_dag.errors import RegistryError
from agentworld_dag.monitoring.rollouts import Rollout, RolloutTurn

if TYPE_CHECKING:
    from mlflow.entities import Span, TraceInfo
    from mlflow.tracking import MlflowClient

MODEL, VERSION = "model", "version"
"""The tags that say who answered: with the title they name a trace of an experiment. The model may be left out."""
TURN_NS = 1_000_000
TRACES_PER_PAGE = 100
PREVIEW_CHARS = 500
NAME_CHARS = 60
WRONG = "✗ "


def log_rollouts(
    client: "MlflowClient",
    experiment_id: str,
    rollouts: Sequence[Rollout],
    tags: Mapping[str, str],
    run_id: str | None,
) -> None:
    """Store the rollouts that are not there yet, each under a title of its own; one that reads otherwise by now is new.

    What the version had under these titles before is deleted. Raises MLflow's errors, and RegistryError without a
    version tag or where two have one title.
    """
    from mlflow.tracing.client import TracingClient

    _refuse_namesakes(rollouts)
    store = TracingClient(client.tracking_uri)
    known = dict(_known(client, experiment_id, tags))
    for rollout in rollouts:
        content = json.dumps(asdict(rollout), sort_keys=True)
        trace = _trace_id(experiment_id, tags.get(MODEL, ""), _version(tags), content)
        if trace not in known:
            started_ns = time.time_ns()
            # Tags come last: a trace that an interruption left incomplete has none and is redone.
            store.log_spans(experiment_id, list(_spans(rollout, trace, started_ns)))
            store.start_trace(_info(rollout, trace, experiment_id, tags, run_id, started_ns))
        if stale := [old for old, title in known.items() if title == rollout.title and old != trace]:
            client.delete_traces(experiment_id, trace_ids=stale)


def _refuse_namesakes(rollouts: Sequence[Rollout]) -> None:
    for title, count in Counter(rollout.title for rollout in rollouts).items():
        if count > 1:
            raise RegistryError(f"{count} rollouts have the title {title!r}; expected a title of its own for each")


def _version(tags: Mapping[str, str]) -> str:
    if VERSION not in tags:
        raise RegistryError(f"rollouts are tagged {dict(tags)}; expected a tag {VERSION!r} that says who answered")
    return tags[VERSION]


def _known(client: "MlflowClient", experiment_id: str, tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Traces of this model and version that are stored whole, and their titles."""
    from mlflow.tracing.constant import TraceTagKey

    wanted, token = f"tag.{VERSION} = '{_version(tags)}'", None
    while True:
        page = client.search_traces(
            locations=[experiment_id],
            filter_string=wanted,
            include_spans=False,
            max_results=TRACES_PER_PAGE,
            page_token=token,
        )
        for trace in page:
            if trace.info.tags.get(MODEL) == tags.get(MODEL):
                yield trace.info.trace_id, trace.info.tags.get(TraceTagKey.TRACE_NAME, "")
        if not (token := page.token):
            return


def _trace_id(*identity: str) -> str:
    return "tr-" + hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


def _spans(rollout: Rollout, trace: str, started_ns: int) -> Iterator["Span"]:
    """The root first. A turn that is not exact is an error, and says so in its name: the UI's tree shows only that."""
    last = len(rollout.turns)
    outputs = {"exact_share": rollout.exact_share, "exact": f"{rollout.exact_turns} of {last} turns"}
    inputs = {"initial_state": _verbatim(rollout.initial_state)}
    yield _span(trace, 0, rollout.title, "AGENT", (inputs, outputs), True, (started_ns, started_ns + last * TURN_NS))
    for number, turn in enumerate(rollout.turns, start=1):
        name = f"{number} {'' if turn.exact else WRONG}{turn.action}"[:NAME_CHARS]
        ends_ns = started_ns + number * TURN_NS
        yield _span(trace, number, name, "TOOL", _content(turn), turn.exact, (ends_ns - TURN_NS, ends_ns))


def _content(turn: RolloutTurn) -> tuple[dict[str, Any], dict[str, Any]]:
    answers = {
        "predicted": _verbatim(turn.predicted),
        "truth": _verbatim(turn.truth),
        "exact": turn.exact,
        "champion": _verbatim(turn.champion),
    }
    return {"action": _verbatim(turn.action)}, answers


def _verbatim(text: str | None) -> str | None:
    """The text in a fence longer than any inside it."""
    if text is None:
        return None
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}\n{text}\n{fence}"


def _span(
    trace: str,
    number: int,
    name: str,
    kind: str,
    content: tuple[dict[str, Any], dict[str, Any]],
    good: bool,
    lasts_ns: tuple[int, int],
) -> "Span":
    """Span `number` of a trace, counted from its root, 0."""
    from mlflow.entities import Span
    from mlflow.tracing.constant import SpanAttributeKey

    attributes = {
        SpanAttributeKey.REQUEST_ID: trace,
        SpanAttributeKey.SPAN_TYPE: kind,
        SpanAttributeKey.INPUTS: content[0],
        SpanAttributeKey.OUTPUTS: content[1],
    }
    return Span.from_dict(
        {
            "trace_id": trace,
            "span_id": _span_id(number),
            "parent_span_id": _span_id(0) if number else None,
            "name": name,
            "start_time_unix_nano": lasts_ns[0],
            "end_time_unix_nano": lasts_ns[1],
            "status": {"code": "STATUS_CODE_OK" if good else "STATUS_CODE_ERROR"},
            "attributes": {key: json.dumps(value, ensure_ascii=False) for key, value in attributes.items()},
        }
    )


def _span_id(number: int) -> str:
    return f"{number + 1:016x}"


def _info(
    rollout: Rollout, trace: str, experiment_id: str, tags: Mapping[str, str], run_id: str | None, started_ns: int
) -> "TraceInfo":
    from mlflow.entities import TraceInfo, TraceLocation, TraceState
    from mlflow.tracing.constant import TraceMetadataKey, TraceTagKey

    return TraceInfo(
        trace_id=trace,
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=started_ns // 1_000_000,
        execution_duration=len(rollout.turns) * TURN_NS // 1_000_000,
        state=TraceState.OK,
        request_preview=f"{rollout.title}: {rollout.initial_state}"[:PREVIEW_CHARS],
        response_preview=f"{rollout.exact_turns} of {len(rollout.turns)} turns exact",
        trace_metadata={TraceMetadataKey.SOURCE_RUN: run_id} if run_id else {},
        tags={**tags, TraceTagKey.TRACE_NAME: rollout.title},
    )
