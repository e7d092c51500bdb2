"""Checks of long-context consistency: what an earlier turn changed still holds (paper.md metric 8).

A turn is one when its answer depends on a fact that an earlier turn changed:
without that change the rules would answer otherwise, and that stale answer is
what the check must reject. Where it depends on several, the change longest ago
counts: the answer cannot be right without it. Silent successes are left out:
who repeats the prompt would pass.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agentworld_dag.benchmark.candidates import Candidate, candidate
from agentworld_dag.benchmark.shell_rules import Expected, expected_answer
from agentworld_dag.environments.file_system import CWD
from agentworld_dag.trajectories.patch import format_state, parse_state
from agentworld_dag.trajectories.render import state_before
from agentworld_dag.trajectories.schema import Trajectory


@dataclass(frozen=True)
class Change:
    """The last change of one fact."""

    turn_index: int
    action: str
    before: str | None
    """The value it replaced; None: the fact was new."""
    after: str | None


def consistency_candidates(trajectory: Trajectory) -> Iterator[Candidate]:
    changes: dict[str, Change] = {}
    for index, turn in enumerate(trajectory.turns):
        state = state_before(trajectory, index)
        known = expected_answer(state, turn.action)
        telling = known and (known.body or known.exit_code)
        stale = _stale_answers(state, turn.action, known, changes) if known and telling else {}
        if known and stale:
            key = min(stale, key=lambda key: changes[key].turn_index)
            horizon = index - changes[key].turn_index
            yield candidate(
                trajectory, index, "consistency", _rule(key, changes[key]), known, horizon, stale=stale[key]
            )
        changes |= _changed(state, turn.state or "", index, turn.action)


def _stale_answers(state: str, action: str, known: Expected, changes: Mapping[str, Change]) -> dict[str, Expected]:
    """What would be answered had one fact not changed, for every fact that makes a difference."""
    facts = parse_state(state)
    found = {}
    for key, change in changes.items():
        kept = {name: value for name, value in facts.items() if name != key}
        before = kept if change.before is None else kept | {key: change.before}
        stale = expected_answer(format_state(before), action)
        if stale and _differ(key, stale, known):
            found[key] = stale
    return found


def _differ(key: str, stale: Expected, known: Expected) -> bool:
    """Every prompt shows the working directory: it counts only where the answer itself depends on it."""
    return (stale.body, stale.exit_code) != (known.body, known.exit_code) if key == CWD else stale != known


def _changed(before: str, after: str, index: int, action: str) -> dict[str, Change]:
    old, new = parse_state(before), parse_state(after)
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return {key: Change(index, action, old.get(key), new.get(key)) for key in keys}


def _rule(key: str, change: Change) -> str:
    command = (change.action.split() or [""])[0]
    if key == CWD:
        return "directory_holds"
    if key.endswith("/"):
        return "removed_folder_is_gone" if change.after is None else "made_folder_is_there"
    if change.after is None:
        return "moved_is_gone" if command == "mv" else "deleted_is_gone"
    return {"mv": "moved_is_there", "cp": "copied_is_there"}.get(command, "written_is_there")
