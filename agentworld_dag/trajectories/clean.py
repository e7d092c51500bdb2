"""Stage `clean_trajectories`: what may be learned from, and why the rest may not.

Two things are mended, everything else is kept or refused whole:

- A session that died or hung keeps the turns before its death when at least
  two remain: they are true, and dropping them would teach that the commands
  that led there never occur. The session as recorded goes to quarantine too
  (`cut_at_death`).
- Retry cycles (paper section 3.1.2): a failed action repeated with the same
  answer and the same state is skipped; the state chain stays whole.

The paper's two-turn minimum removes stubs. A task solved by its first command
is no stub, and half of the expert's episodes are such: dropping them would
take the easy successes out of the data, so they stay and are counted.

Kept on purpose, and measured instead: errors, no-op turns and empty actions.
The paper drops no-change turns for screens and strips empty actions; a shell
answers both, and a world model that sees too few of them grows optimistic
(paper digest sections 1 and 8). Quarantine holds every refused trajectory as
recorded, with `reason` and `detail`. Near-duplicates are left to the splits.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import polars as pl

from agentworld_dag.errors import StoreError, TrajectoryError
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories import parquet, patch
from agentworld_dag.trajectories.schema import Domain, Kind, Outcome, Trajectory, Turn
from agentworld_dag.trajectories.turn_shares import contradiction_share, failed, turn_shares

MIN_TURNS = 2
"""Paper section 3.1.2; an episode that reached its goal is whole at any length."""


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


def clean(recorded: Iterable[Trajectory]) -> Cleaned:
    """Sort recorded trajectories into kept and quarantined; the order of the input does not matter."""
    kept: dict[str, Trajectory] = {}
    quarantine: list[Refusal] = []
    seen: dict[str, str] = {}
    skipped = 0
    for original in sorted(recorded, key=lambda trajectory: (trajectory.id, content_key(trajectory))):
        cut = cut_dead_end(original)
        mended = skip_retries(cut)
        if refusal := defect(original, mended) or _repeat(original, mended, kept, seen):
            quarantine.append(refusal)
            continue
        if len(cut.turns) < len(original.turns):
            quarantine.append(_cut_record(original, cut))
        kept[mended.id] = mended
        skipped += len(cut.turns) - len(mended.turns)
    return Cleaned(list(kept.values()), quarantine, skipped)


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


def defect(original: Trajectory, mended: Trajectory) -> Refusal | None:
    """The first reason why `mended` may not be learned from, or None."""
    for reason, find in _DEFECTS.items():
        if detail := find(mended):
            return Refusal(original, reason, detail)
    return None


def content_key(trajectory: Trajectory) -> str:
    """Hash of all that a model could learn from; ids and provenance aside."""
    content = [trajectory.domain, *vars(trajectory.system).values(), [list(vars(t).values()) for t in trajectory.turns]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _off_schema(trajectory: Trajectory) -> str:
    allowed = {"domain": get_args(Domain), "kind": get_args(Kind), "outcome": get_args(Outcome)}
    wrong = [
        f"{name} is {getattr(trajectory, name)!r}" for name in allowed if getattr(trajectory, name) not in allowed[name]
    ]
    return ", ".join(wrong)


def _session_lost(trajectory: Trajectory) -> str:
    if trajectory.outcome not in ("died", "timed_out") or len(trajectory.turns) >= MIN_TURNS:
        return ""
    return f"session {trajectory.outcome} after {len(trajectory.turns)} answered turns: {trajectory.failure}"


def _missing_observation(trajectory: Trajectory) -> str:
    missing = [number for number, turn in enumerate(trajectory.turns, start=1) if turn.observation is None]
    return f"turn {missing[0]} of {len(trajectory.turns)} has no observation" if missing else ""


def _too_short(trajectory: Trajectory) -> str:
    count = len(trajectory.turns)
    if count >= MIN_TURNS or _solved_at_once(trajectory):
        return ""
    return f"{count} turns, at least {MIN_TURNS} expected"


def _solved_at_once(trajectory: Trajectory) -> bool:
    return trajectory.outcome == "success" and len(trajectory.turns) == 1


def _no_action(trajectory: Trajectory) -> str:
    return "" if any(turn.action.strip() for turn in trajectory.turns) else "every action is empty"


def _damaged_state(trajectory: Trajectory) -> str:
    states = [turn.state for turn in trajectory.turns]
    if all(state is None for state in states) and not trajectory.system.initial_state:
        return ""
    for number, state in enumerate([trajectory.system.initial_state, *states]):
        if damage := "not recorded" if state is None else _state_damage(state):
            return f"state after turn {number}: {damage}"
    return ""


@lru_cache(maxsize=4096)
def _state_damage(state: str) -> str:
    try:
        facts = patch.parse_state(state)
    except TrajectoryError as error:
        return str(error)
    return "" if patch.format_state(facts) == state else "not sorted, or a key twice"


_DEFECTS: dict[str, Callable[[Trajectory], str]] = {
    "off_schema": _off_schema,
    "session_lost": _session_lost,
    "missing_observation": _missing_observation,
    "too_short": _too_short,
    "no_action": _no_action,
    "damaged_state": _damaged_state,
}
"""Reason -> finder of its detail, empty when the trajectory is free of it; the first found is recorded."""


def _unanswered(turn: Turn, trajectory: Trajectory) -> bool:
    return turn.observation is None or (turn.state is None and bool(trajectory.system.initial_state))


def _repeat(
    original: Trajectory, mended: Trajectory, kept: Mapping[str, Trajectory], seen: dict[str, str]
) -> Refusal | None:
    """Refuse what is already kept under its content or its id; `seen` maps content to the id that is kept."""
    if twin := seen.get(content := content_key(mended)):
        return Refusal(original, "duplicate", f"same prompt, actions and observations as trajectory {twin}")
    if mended.id in kept:
        return Refusal(original, "duplicate_id", f"another trajectory is already named {mended.id}")
    seen[content] = mended.id
    return None


def _cut_record(original: Trajectory, cut: Trajectory) -> Refusal:
    kept, total = len(cut.turns), len(original.turns)
    return Refusal(
        original,
        "cut_at_death",
        f"session {original.outcome}: {original.failure}; turns 1 to {kept} of {total} were kept",
    )


def read_parts(folder: Path) -> tuple[list[Trajectory], list[dict[str, str]]]:
    """Every readable trajectory, and `{file, reason}` of every part that is not readable."""
    trajectories: list[Trajectory] = []
    corrupt: list[dict[str, str]] = []
    for file in parquet.part_files(folder):
        try:
            trajectories += parquet.read_part(file)
        except StoreError as error:
            corrupt.append({"file": file.name, "reason": str(error)})
    return trajectories, corrupt


def quarantine_frame(refusals: Sequence[Refusal]) -> pl.DataFrame:
    """The refused trajectories with the columns `reason` and `detail`."""
    columns = {name: [getattr(refusal, name) for refusal in refusals] for name in ("reason", "detail")}
    return parquet.to_frame(refusal.trajectory for refusal in refusals).with_columns(
        pl.Series(name, values, dtype=pl.String) for name, values in columns.items()
    )


def work(stage: Stage) -> dict[str, Any]:
    recorded, corrupt = read_parts(stage.inputs["raw_trajectories"] / "parts")
    for part in corrupt:
        stage.log(f"skipped {part['file']}: {part['reason']}")
    cleaned = clean(recorded)
    parquet.write_frame(stage.out / "quarantine.parquet", quarantine_frame(cleaned.quarantine))
    reasons = dict(Counter(refusal.reason for refusal in cleaned.quarantine))
    stage.log(f"kept {len(cleaned.kept)} of {len(recorded)} trajectories; quarantine: {reasons or 'empty'}")
    if not cleaned.kept:
        raise TrajectoryError(
            f"none of {len(recorded)} trajectories can be learned from (refused: {reasons}; corrupt parts: "
            f"{len(corrupt)}); look at {stage.out / 'quarantine.parquet'}, repair the collector and collect again"
        )
    parquet.write_trajectories(stage.out / "trajectories.parquet", cleaned.kept)
    return {
        "trajectories": {"recorded": len(recorded), "kept": len(cleaned.kept)},
        "quarantined": reasons,
        "solved_at_once": sum(map(_solved_at_once, cleaned.kept)),
        "retries_skipped": cleaned.retries_skipped,
        "turns": {"recorded": turn_shares(recorded), "kept": turn_shares(cleaned.kept)},
        "contradiction_share": contradiction_share(cleaned.kept),
        "corrupt_parts": len(corrupt),
        "corrupt_files": corrupt,
    }


if __name__ == "__main__":
    run_stage(work)
