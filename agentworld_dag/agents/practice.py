"""What practice looks like in numbers: one step's rollouts, and a whole run.

The signals of collapse are here as plain numbers (entropy, the share of the
most frequent command, empty and invalid messages, kinds given up); what counts
as collapsed is a check's business. A step's numbers travel in the Trainer's
log history, which every checkpoint holds, so a resumed run counts right.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from agentworld_dag.agents.rollout import Rollout
from agentworld_dag.errors import TrainError

STEPS = "environment_steps"
OUTGROWN = "outgrown_rollouts"
FAILED = "failed_rollouts"
TOTALS = (STEPS, OUTGROWN, FAILED)
"""Of a step's numbers those that are sums, while the others are means."""
_CURVES = ("success", "entropy", "completions/mean_length", "top_action_share")
_RATES = ("tool_call_rate", "empty_action_share", "invalid_message_share")


def step_metrics(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Numbers of one training step. Raises TrainError when most environments died: there is nothing to learn from."""
    failed = [rollout.failure for rollout in rollouts if rollout.failure]
    if len(failed) > len(rollouts) / 2:
        raise TrainError(
            f"{len(failed)} of {len(rollouts)} rollouts failed, the last with: {failed[-1]}; "
            "at most half may. Repair the environment and run again: training resumes from its last checkpoint"
        )
    actions = Counter(action.strip() for rollout in rollouts for action in rollout.actions)
    count = max(1, actions.total())
    by_kind = defaultdict(list)
    for rollout in rollouts:
        by_kind[rollout.task.kind].append(rollout.success)
    return {
        "success": _mean([rollout.success for rollout in rollouts]),
        **{f"success/{kind}": _mean(found) for kind, found in sorted(by_kind.items())},
        STEPS: float(actions.total()),
        FAILED: float(len(failed)),
        OUTGROWN: float(sum(rollout.outgrown for rollout in rollouts)),
        "tool_call_rate": _mean([bool(rollout.actions) for rollout in rollouts]),
        "empty_action_share": actions[""] / count,
        "invalid_message_share": sum(r.invalid_messages for r in rollouts) / (count + len(rollouts)),
        "top_action_share": max(actions.values(), default=0) / count,
    }


def steps_spent(history: Sequence[dict[str, Any]]) -> int:
    """Environment steps in a Trainer's log history."""
    return round(sum(entry.get(STEPS, 0) for entry in history))


def summary(history: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Numbers of a whole run: curves, their first and last quarter, and where it went."""
    steps = [entry for entry in history if STEPS in entry]
    if not steps:
        raise TrainError("practice ended without a single step; raise agent.rl.steps in the preset")
    quarter = max(1, len(steps) // 4)
    first, last = steps[:quarter], steps[-quarter:]
    kinds = sorted({key for entry in steps for key in entry if key.startswith("success/")})
    return {
        "steps": len(steps),
        "curve": {name: [entry[name] for entry in steps] for name in _CURVES},
        "first_quarter": {name: _over(first, name) for name in _CURVES + _RATES},
        "last_quarter": {name: _over(last, name) for name in _CURVES + _RATES},
        "success_by_kind": {key.partition("/")[2]: _over(steps[len(steps) // 2 :], key) for key in kinds},
        "lowest_entropy": min(entry["entropy"] for entry in steps),
        FAILED: sum(entry[FAILED] for entry in steps),
        OUTGROWN: sum(entry[OUTGROWN] for entry in steps),
        "environment_steps": steps_spent(steps),
    }


def _over(steps: Sequence[dict[str, Any]], name: str) -> float | None:
    """Mean over the steps that have the number; a kind may not have come up."""
    found = [entry[name] for entry in steps if name in entry]
    return _mean(found) if found else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
