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

Parts are read twice: first for what is decided across all of them, of which
hashes are kept, then to write. One part is in memory at a time.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from agentworld_dag.errors import StoreError, TrajectoryError
from agentworld_dag.stage import Stage, run_stage
from agentworld_dag.trajectories import parquet
from agentworld_dag.trajectories.defects import Reason, solved_at_once
from agentworld_dag.trajectories.turn_shares import Contradictions, turn_counts, turn_shares
from agentworld_dag.trajectories.verdicts import Cleaned, Refusal, Seen, cleaned, look, verdicts

KEPT, QUARANTINE = "trajectories.parquet", "quarantine.parquet"


@dataclass(frozen=True)
class Survey:
    """The first look at all parts."""

    parts: list[Path]
    """Those that can be read."""
    corrupt: list[dict[str, str]]
    """`{file, reason}` of those that cannot."""
    verdicts: list[Reason | None]
    """Of each trajectory in the order of the parts: why it is refused, or None."""
    turns: Counter[str]


class Tally:
    """State: what was counted of the parts written so far."""

    def __init__(self) -> None:
        self.kept = self.solved_at_once = self.retries_skipped = 0
        self.turns, self.reasons = Counter[str](), Counter[str]()
        self.contradictions = Contradictions()

    def add(self, part: Cleaned) -> None:
        self.kept += len(part.kept)
        self.solved_at_once += sum(map(solved_at_once, part.kept))
        self.retries_skipped += part.retries_skipped
        self.turns.update(turn_counts(part.kept))
        self.reasons.update(refusal.reason for refusal in part.quarantine)
        self.contradictions.add(part.kept)


def survey(folder: Path) -> Survey:
    """Reads every part once."""
    whole, corrupt, seen, turns = list[Path](), list[dict[str, str]](), list[Seen](), Counter[str]()
    for file in parquet.part_files(folder):
        try:
            part = list(parquet.iterate_part(file))
        except StoreError as error:
            corrupt.append({"file": file.name, "reason": str(error)})
            continue
        whole.append(file)
        seen += map(look, part)
        turns.update(turn_counts(part))
    return Survey(whole, corrupt, verdicts(seen), turns)


def cleaned_parts(found: Survey) -> Iterator[Cleaned]:
    """Reads every readable part again."""
    given = iter(found.verdicts)
    for file in found.parts:
        part = list(parquet.iterate_part(file))
        yield cleaned(part, list(islice(given, len(part))))


def quarantine_frame(refusals: Sequence[Refusal]) -> pl.DataFrame:
    """The refused trajectories with the columns `reason` and `detail`."""
    columns = {name: [getattr(refusal, name) for refusal in refusals] for name in ("reason", "detail")}
    return parquet.to_frame(refusal.trajectory for refusal in refusals).with_columns(
        pl.Series(name, values, dtype=pl.String) for name, values in columns.items()
    )


def write(found: Survey, out: Path) -> Tally:
    """Both files, from parts of their own that are gone afterwards."""
    spool, tally = out / "spool", Tally()
    shutil.rmtree(spool, ignore_errors=True)
    _spool(spool, 0, Cleaned([], [], 0))  # a file of no rows has the columns all the same
    for number, part in enumerate(cleaned_parts(found), start=1):
        _spool(spool, number, part)
        tally.add(part)
    parquet.write_frame(out / QUARANTINE, parquet.scan_trajectories(spool / "refused"))
    if tally.kept:
        parquet.write_frame(out / KEPT, parquet.scan_trajectories(spool / "kept"))
    shutil.rmtree(spool)
    return tally


def _spool(spool: Path, number: int, part: Cleaned) -> None:
    parquet.write_trajectories(spool / "kept" / f"{number:06d}.parquet", part.kept)
    parquet.write_frame(spool / "refused" / f"{number:06d}.parquet", quarantine_frame(part.quarantine))


def work(stage: Stage) -> dict[str, Any]:
    found = survey(stage.inputs["raw_trajectories"] / "parts")
    for part in found.corrupt:
        stage.log(f"skipped {part['file']}: {part['reason']}")
    tally, recorded = write(found, stage.out), len(found.verdicts)
    reasons = dict(tally.reasons)
    stage.log(f"kept {tally.kept} of {recorded} trajectories; quarantine: {reasons or 'empty'}")
    if not tally.kept:
        raise TrajectoryError(
            f"none of {recorded} trajectories can be learned from (refused: {reasons}; corrupt parts: "
            f"{len(found.corrupt)}); look at {stage.out / QUARANTINE}, repair the collector and collect again"
        )
    return {
        "trajectories": {"recorded": recorded, "kept": tally.kept},
        "quarantined": reasons,
        "solved_at_once": tally.solved_at_once,
        "retries_skipped": tally.retries_skipped,
        "turns": {"recorded": turn_shares(found.turns), "kept": turn_shares(tally.turns)},
        "contradiction_share": tally.contradictions.share,
        "corrupt_parts": len(found.corrupt),
        "corrupt_files": found.corrupt,
    }


if __name__ == "__main__":
    run_stage(work)
