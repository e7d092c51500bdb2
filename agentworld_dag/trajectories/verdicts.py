"""Which recorded trajectories are kept, what of them, and why the others are refused.

What is decided across all of them needs hashes only, so nobody has to hold all:
`look` at each once, ask for the `verdicts`, and go through them again. The order
in which they come decides nothing but the order of what is kept.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agentworld_dag.trajectories.defects import Reason, defect
from agentworld_dag.trajectories.schema import Trajectory, Turn
from agentworld_dag.trajectories.turn_shares import failed


@dataclass(frozen=True)
class Seen:
    """What decides about a recorded trajectory."""

    id: str
    recorded: bytes
    """Hash of its content as recorded."""
    content: bytes
    """Hash of what of it would be kept."""
    defect: Reason | None


@dataclass(frozen=True)
class Refusal:
    """One quarantined trajectory, as recorded."""

    trajectory: Trajectory
    reason: str
    """One word to count by."""
    detail: str
    """What was found, for a person."""


@dataclass(frozen=True)
class Cleaned:
    kept: list[Trajectory]
    quarantine: list[Refusal]
    retries_skipped: int


def look(recorded: Trajectory) -> Seen:
    mended = skip_retries(cut_dead_end(recorded))
    return Seen(recorded.id, content_key(recorded), content_key(mended), defect(mended))


def verdicts(seen: Sequence[Seen]) -> list[Reason | None]:
    """Why each is refused, or None; of equal ones the first by id is kept, in whatever order they come."""
    found = [each.defect for each in seen]
    kept: dict[bytes, str] = {}
    ids: set[str] = set()
    for number in sorted(range(len(seen)), key=lambda number: (seen[number].id, seen[number].recorded)):
        each = seen[number]
        if found[number] is None:
            found[number] = _repeat(each, kept, ids)
        if found[number] is None:
            kept[each.content] = each.id
            ids.add(each.id)
    return found


def cleaned(recorded: Sequence[Trajectory], found: Sequence[Reason | None]) -> Cleaned:
    """Trajectories with their verdicts, sorted into kept and quarantined."""
    kept: list[Trajectory] = []
    quarantine: list[Refusal] = []
    skipped = 0
    for original, refused in zip(recorded, found, strict=True):
        if refused:
            quarantine.append(Refusal(original, *refused))
            continue
        cut = cut_dead_end(original)
        if len(cut.turns) < len(original.turns):
            quarantine.append(_cut_record(original, cut))
        kept.append(skip_retries(cut))
        skipped += len(cut.turns) - len(kept[-1].turns)
    return Cleaned(kept, quarantine, skipped)


def cut_dead_end(trajectory: Trajectory) -> Trajectory:
    """A died or hung session without its unanswered last turns; any other trajectory as it is."""
    if trajectory.outcome not in ("died", "timed_out"):
        return trajectory
    turns = list(trajectory.turns)
    while turns and _unanswered(turns[-1], trajectory):
        turns.pop()
    return replace(trajectory, turns=tuple(turns))


def skip_retries(trajectory: Trajectory) -> Trajectory:
    """Without failed turns that repeat the turn before in action, observation and state."""
    kept: list[Turn] = []
    for turn in trajectory.turns:
        if not (kept and turn == kept[-1] and failed(turn)):
            kept.append(turn)
    return replace(trajectory, turns=tuple(kept))


def content_key(trajectory: Trajectory) -> bytes:
    """Hash of all that a model could learn from; ids and provenance aside."""
    content = [trajectory.domain, *vars(trajectory.system).values(), [list(vars(t).values()) for t in trajectory.turns]]
    return hashlib.sha256(json.dumps(content).encode()).digest()


def _repeat(each: Seen, kept: dict[bytes, str], ids: set[str]) -> Reason | None:
    if twin := kept.get(each.content):
        return "duplicate", f"same prompt, actions and observations as trajectory {twin}"
    return ("duplicate_id", f"another trajectory is already named {each.id}") if each.id in ids else None


def _unanswered(turn: Turn, trajectory: Trajectory) -> bool:
    return turn.observation is None or (turn.state is None and bool(trajectory.system.initial_state))


def _cut_record(original: Trajectory, cut: Trajectory) -> Refusal:
    kept, total = len(cut.turns), len(original.turns)
    return Refusal(
        original,
        "cut_at_death",
        f"session {original.outcome}: {original.failure}; turns 1 to {kept} of {total} were kept",
    )
