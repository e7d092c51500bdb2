"""What the Dagster UI shows of an artifact: numbers that plot over rounds, tables, and checks as claims."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from agentworld_dag.assets.recipe import Artifact
from agentworld_dag.errors import StoreError
from agentworld_dag.tracking import flatten

PLOTTED = 30
"""More numbers than this make the asset page slow; the rest is in the table."""
SHOWN_ROWS = 60
COUNTS = ("n", "clusters")
"""Of an estimate: how much is behind it."""
COSTS = {
    "cost/seconds": "seconds",
    "cost/gpu_seconds": "gpu_s",
    "cost/cpu_core_seconds": "cpu_core_s",
    "cost/tokens": "tokens",
    "cost/money": "money",
}
"""Entry of a materialization -> field of the stage's `cost`."""

Claim = tuple[str, bool, Mapping[str, Any]]
"""A check's name, whether it holds, and the numbers that say so."""


def materialized(
    artifact: Artifact, claims: Iterable[Claim] = (), warnings: Iterable[Claim] = (), **extra: Any
) -> dg.MaterializeResult:
    """The materialization of an artifact; a reused one shows what was measured when it was made.

    `warnings`: claims whose failure is to be looked at, and is no error.
    """
    timing = artifact.result["timing"]
    entries: dict[str, Any] = {
        "reused": artifact.reused,
        "seconds": timing["finished_at"] - timing["work_started_at"],
        **cost(artifact),
        "fingerprint": artifact.folder.name,
        "path": dg.MetadataValue.path(str(artifact.folder)),
        "metrics": dg.MetadataValue.md(metrics_table(artifact.metrics)),
    }
    if artifact.seed is not None:
        entries["seed"] = artifact.seed
    return dg.MaterializeResult(
        metadata=extra | plotted(artifact.metrics) | entries,
        data_version=dg.DataVersion(artifact.folder.name),
        check_results=[
            *(_check(*claim, dg.AssetCheckSeverity.ERROR) for claim in claims),
            *(_check(*claim, dg.AssetCheckSeverity.WARN) for claim in warnings),
        ],
    )


def cost(artifact: Artifact) -> dict[str, Any]:
    """What the artifact cost this run, and in money when it was made: a reused one costs nothing again.

    Attempts that were cut short earlier count with the one that ended.
    """
    made = artifact.result.get("cost", {})  # a reused artifact may be older than the account
    shown = {name: 0.0 if artifact.reused else float(made[key]) for name, key in COSTS.items()}
    return shown | ({"cost/money_when_made": made["money"], "cost/currency": made["currency"]} if made else {})


def plotted(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The first scalars of a nested result under flat names; Dagster plots them over partitions and time.

    An estimate is plotted as its value and interval: how many are behind it is in the table.
    """
    scalars = {name: float(leaf) for name, leaf in flatten(metrics) if isinstance(leaf, bool | int | float)}
    shown = [(name, value) for name, value in scalars.items() if not _counts_behind_an_estimate(name, scalars)]
    return dict(shown[:PLOTTED])


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Every number as a Markdown table; an estimate with its interval is one row."""
    rows = [f"| {name} | {shown} |" for name, shown in _rows(metrics)]
    left_out = f"\n\n{len(rows) - SHOWN_ROWS} more in result.json" if len(rows) > SHOWN_ROWS else ""
    return "\n".join(["| metric | value |", "|---|---|", *rows[:SHOWN_ROWS]]) + left_out


def table(records: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """A Markdown table of records with the columns of the first."""
    if not records:
        return dg.MetadataValue.md("none")
    columns = list(records[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(record[column]) for column in columns) + " |" for record in records]
    return dg.MetadataValue.md("\n".join(lines))


def number(artifact: Artifact, name: str) -> float:
    """A metric by its flat name. Raises StoreError when it was not reported: no check passes unmeasured."""
    found = dict(flatten(artifact.metrics)).get(name)
    if not isinstance(found, bool | int | float):
        raise StoreError(
            f"{artifact.folder} reports no number {name!r}, which a check needs; make its stage script report it"
        )
    return float(found)


def breakdown(artifact: Artifact, name: str) -> dict[str, float]:
    """The numbers below a name, by their last part; empty where the stage counted nothing there."""
    prefix = f"{name}/"
    return {
        key.removeprefix(prefix): number(artifact, key)
        for key, _ in flatten(artifact.metrics)
        if key.startswith(prefix)
    }


def _counts_behind_an_estimate(name: str, scalars: Mapping[str, float]) -> bool:
    prefix, _, last = name.rpartition("/")
    return last in COUNTS and {f"{prefix}/value", f"{prefix}/low", f"{prefix}/high"} <= set(scalars)


def _check(name: str, holds: bool, evidence: Mapping[str, Any], severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=name, passed=bool(holds), metadata=dict(evidence), severity=severity)


def _rows(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping) and {"value", "low", "high"} <= set(value):
        yield prefix, _estimate(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _rows(inner, f"{prefix}/{key}" if prefix else str(key))
    else:
        yield prefix, _cell(value)


def _estimate(value: Mapping[str, Any]) -> str:
    counted = f", n = {value['n']}" if "n" in value else ""
    return f"{_cell(value['value'])} [{_cell(value['low'])}, {_cell(value['high'])}]{counted}"


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")[:200]
