"""From what stands in the model registry to what is to be done about it.

A candidate is the version with the alias `candidate`; the alias is given last,
when its review pack is complete. A person decides by the candidate's tag
`review`. A decision is carried out by moving the alias `champion`, one call
that happens or does not; everything after it can be done again, so whoever
dies in between leaves one champion, and the next look finishes the work. The
alias is the truth: where it names another version than was recorded, a
promotion that was cut short is carried on, and what a person moved is recorded.
Only the end of a line of training can be in use: an alias on a stage before it
is refused, and what was recorded stays.

A tag on a version that is not under review does nothing, and is named. To
reopen a decision, a person gives that version the alias `candidate` again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from agentworld_dag.monitoring.champion import ASSET, FINAL_STAGES, ROUND, SEED
from agentworld_dag.monitoring.versions import Version
from agentworld_dag.rounds import FIRST_ROUND

CANDIDATE, CHAMPION = "candidate", "champion"
REVIEW, COMMENT, REVIEWER = "review", "review_comment", "review_by"
"""Tags a reviewer sets."""
APPROVED, REJECTED = "approved", "rejected"
DECISION = "agentworld/decision"
"""Tag of a version that was decided on: `DECIDED` by action."""
DECIDED = {"promote": "promoted", "reject": "rejected"}
BLOCKING_CHECKS = "agentworld/blocking_checks"
"""Tag of a candidate: `passed` when every blocking check of its round did."""

Action = Literal["wait", "promote", "reject", "record"]


@dataclass(frozen=True)
class Verdict:
    action: Action
    reason: str
    """For people."""
    version: int | None = None
    """The one the action is about; None when there is nothing to do."""


def judge(versions: Sequence[Version], recorded: int | None, auto_promote: bool) -> Verdict:
    """What is to be done now. `recorded`: the version that was last recorded as champion."""
    champion = champion_of(versions)
    candidate = _final_with_alias(versions, CANDIDATE)
    if champion and champion.number != recorded:
        return _on_unrecorded(champion, recorded, auto_promote)
    strays = "".join(f"; {stray}" for stray in (*_misplaced(versions), *_strays(versions, candidate)))
    if recorded and not _with_alias(versions, CHAMPION):
        strays += f"; no version has the alias {CHAMPION}, give it back: recorded is {recorded}"
    if candidate is None:
        return Verdict("wait", f"no candidate is under review{strays}")
    verdict = _on_candidate(candidate, champion, auto_promote)
    return Verdict(verdict.action, verdict.reason + strays, verdict.version)


def round_under_review(versions: Sequence[Version]) -> str:
    """Whose settings hold: the candidate's round, or where there is none the champion's."""
    version = _final_with_alias(versions, CANDIDATE) or champion_of(versions)
    return version.tags.get(ROUND, FIRST_ROUND) if version else FIRST_ROUND


def champion_of(versions: Sequence[Version]) -> Version | None:
    """The version that the alias names; None where there is none that can be in use."""
    return _final_with_alias(versions, CHAMPION)


def _on_unrecorded(champion: Version, recorded: int | None, auto_promote: bool) -> Verdict:
    """A promotion that was cut short, whoever has the alias `candidate` by now; or a person's move."""
    if DECISION not in champion.tags or CANDIDATE in champion.aliases:
        asked = _on_candidate(champion, None, auto_promote)
        if asked.action == "promote":
            return asked
    return Verdict("record", f"the alias names version {champion.number}, recorded is {recorded}", champion.number)


def _on_candidate(candidate: Version, champion: Version | None, auto_promote: bool) -> Verdict:
    number, review = candidate.number, candidate.tags.get(REVIEW)
    if champion and champion.number == number:
        return Verdict("record", f"version {number} is champion already and still called candidate", number)
    if review == APPROVED:
        return Verdict("promote", f"version {number} is approved {_words(candidate)}", number)
    if review == REJECTED:
        return Verdict("reject", f"version {number} is rejected {_words(candidate)}", number)
    if review is not None:
        return Verdict("wait", f"version {number} has {REVIEW}={review!r}; expected {APPROVED} or {REJECTED}")
    if auto_promote and candidate.tags.get(BLOCKING_CHECKS) == "passed":
        return Verdict(
            "promote", f"version {number} passed every blocking check; the preset promotes by itself", number
        )
    return Verdict("wait", f"version {number} waits for a person to set its tag {REVIEW}")


def _words(version: Version) -> str:
    comment = version.tags.get(COMMENT)
    return f"by {reviewer(version)}{f': {comment}' if comment else ''}"


def reviewer(version: Version) -> str:
    """Whoever signed; MLflow itself does not tell who set a tag."""
    return version.tags.get(REVIEWER) or "someone who did not sign"


def _with_alias(versions: Sequence[Version], alias: str) -> Version | None:
    return next((version for version in versions if alias in version.aliases), None)


def _final_with_alias(versions: Sequence[Version], alias: str) -> Version | None:
    found = _with_alias(versions, alias)
    return found if found and _final_stage(found) is None else None


def _final_stage(version: Version) -> str | None:
    """The stage that should have been named in place of this version's; None where this is the end of its line."""
    return FINAL_STAGES.get(version.tags.get(ASSET, ""))


def _misplaced(versions: Sequence[Version]) -> Iterator[str]:
    """Aliases on stages that cannot be in use, and where they belong."""
    for alias in (CHAMPION, CANDIDATE):
        version = _with_alias(versions, alias)
        if version and (expected := _final_stage(version)):
            place = _of_same_turn(version, expected, versions)
            yield (
                f"version {version.number} is {version.tags.get(ROUND)}'s `{version.tags[ASSET]}`, expected "
                f"`{expected}`; move the alias {alias} to {f'version {place}' if place else f'a `{expected}`'}"
            )


def _of_same_turn(version: Version, asset: str, versions: Sequence[Version]) -> int | None:
    """The newest version of an asset from the same round and seed."""
    wanted = {ROUND: version.tags.get(ROUND), SEED: version.tags.get(SEED), ASSET: asset}
    found = (each.number for each in versions if all(each.tags.get(tag) == value for tag, value in wanted.items()))
    return max(found, default=None)


def _strays(versions: Sequence[Version], candidate: Version | None) -> Iterator[str]:
    """Tags that follow nothing any more, or never did."""
    for version in versions:
        review, decision = version.tags.get(REVIEW), version.tags.get(DECISION)
        if candidate and version.number == candidate.number:
            continue
        if review is not None and decision is None and CHAMPION not in version.aliases:
            yield f"version {version.number} is tagged {review} but is not under review"
        elif decision and review and (review == APPROVED) != (decision == DECIDED["promote"]):
            yield f"version {version.number} was {decision}; its tag now says {review}, which changes nothing"
