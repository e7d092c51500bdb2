"""Rule checks as rows of the frame `checks` of `measurements`."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentworld_dag.benchmark.checks import Check
from agentworld_dag.benchmark.instructions import recorded_id
from agentworld_dag.benchmark.samples import Key
from agentworld_dag.benchmark.verifying import verified


def check_rows(
    model: str, mode: str, checks: Sequence[Check], answers: Mapping[Key, str | None]
) -> list[dict[str, Any]]:
    """One row a check, clustered by the recorded session: its copies under an instruction are not independent."""
    return [
        {
            "checkpoint": model,
            "mode": mode,
            "axis": row["axis"],
            "rule": row["rule"],
            "horizon": row["horizon"],
            "trajectory_id": recorded_id(row["id"]),
            "turn_index": row["turn_idx"] - 1,
            "correct": row["accepted"],
            "failed": not row["answered"],
        }
        for row in verified(checks, answers)
    ]
