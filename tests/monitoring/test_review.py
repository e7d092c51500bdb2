import pytest

from agentworld_dag.monitoring.review import Action, judge, round_under_review
from agentworld_dag.monitoring.versions import Version


def version(number: int, *aliases: str, **tags: str) -> Version:
    return Version(number, {name.replace("__", "/"): value for name, value in tags.items()}, aliases, float(number))


def judged(*versions: Version, recorded: int | None = 1, auto_promote: bool = False) -> tuple[Action, int | None]:
    verdict = judge(versions, recorded, auto_promote)
    return verdict.action, verdict.version


CHAMPION = version(1, "champion", agentworld__decision="promoted", review="approved")


def test_an_approved_candidate_is_promoted_and_a_rejected_one_rejected():
    assert judged(CHAMPION, version(2, "candidate", review="approved")) == ("promote", 2)
    assert judged(CHAMPION, version(2, "candidate", review="rejected")) == ("reject", 2)
    assert judged(version(1, "candidate", review="approved"), recorded=None) == ("promote", 1)


def test_nothing_is_promoted_without_the_tag():
    assert judged() == ("wait", None)
    assert judged(CHAMPION) == ("wait", None)
    assert judged(CHAMPION, version(2, "candidate")) == ("wait", None)


@pytest.mark.parametrize("word", ["Approved", "yes", "", "approved "])
def test_another_word_is_no_decision_and_is_named(word):
    verdict = judge([CHAMPION, version(2, "candidate", review=word)], 1, auto_promote=True)
    assert verdict.action == "wait"
    assert f"version 2 has review={word!r}; expected approved or rejected" in verdict.reason


def test_the_preset_promotes_by_itself_only_what_passed_every_blocking_check():
    passed = version(2, "candidate", agentworld__blocking_checks="passed")
    failed = version(2, "candidate", agentworld__blocking_checks="failed")
    assert judged(CHAMPION, passed, auto_promote=True) == ("promote", 2)
    assert judged(CHAMPION, passed) == ("wait", None)
    assert judged(CHAMPION, failed, auto_promote=True) == ("wait", None)
    rejected = version(2, "candidate", agentworld__blocking_checks="passed", review="rejected")
    assert judged(CHAMPION, rejected, auto_promote=True) == ("reject", 2)


def test_a_tag_on_the_wrong_version_does_nothing_and_is_named():
    verdict = judge([CHAMPION, version(2, "candidate"), version(3, review="approved")], 1, False)
    assert verdict.action == "wait"
    assert "version 3 is tagged approved but is not under review" in verdict.reason


def test_a_tag_flipped_after_the_decision_changes_nothing_and_is_named():
    rejected = version(2, agentworld__decision="rejected", review="approved")
    verdict = judge([CHAMPION, rejected], 1, False)
    assert verdict.action == "wait"
    assert "version 2 was rejected; its tag now says approved, which changes nothing" in verdict.reason
    promoted = version(1, "champion", agentworld__decision="promoted", review="rejected")
    assert "was promoted; its tag now says rejected" in judge([promoted], 1, False).reason


def test_a_decision_is_reopened_by_giving_the_alias_again():
    assert judged(CHAMPION, version(2, "candidate", agentworld__decision="rejected", review="approved")) == (
        "promote",
        2,
    )


def test_a_champion_nobody_recorded_is_recorded_before_anything_else():
    moved = version(2, "champion")
    assert judged(version(1, agentworld__decision="promoted", review="approved"), moved) == ("record", 2)
    assert judged(moved, version(3, "candidate", review="approved")) == ("record", 2)
    assert judged(version(1, "champion"), recorded=None) == ("record", 1)


def test_a_champion_still_called_candidate_is_finished_and_not_promoted_again():
    assert judged(version(2, "champion", "candidate", review="approved"), recorded=2) == ("record", 2)


def test_a_promotion_that_was_cut_short_after_the_alias_moved_goes_on_as_one():
    moved = version(2, "candidate", "champion", review="approved", review_by="ada")
    verdict = judge([version(1), moved], 1, False)
    assert (verdict.action, verdict.version, verdict.reason) == ("promote", 2, "version 2 is approved by ada")


@pytest.mark.parametrize("tags", [{}, {"review": "rejected"}])
def test_an_alias_moved_by_hand_to_a_candidate_nobody_approved_is_recorded_as_moved(tags: dict[str, str]):
    assert judged(version(1), version(2, "candidate", "champion", **tags)) == ("record", 2)


def test_a_promotion_that_was_cut_short_goes_on_though_another_round_has_the_alias_candidate_by_now():
    moved, next_one = version(2, "champion", review="approved", review_by="ada"), version(3, "candidate")
    verdict = judge([version(1), moved, next_one], 1, False)
    assert (verdict.action, verdict.version, verdict.reason) == ("promote", 2, "version 2 is approved by ada")
    passed = version(2, "champion", agentworld__blocking_checks="passed")
    assert judged(version(1), passed, next_one, auto_promote=True) == ("promote", 2)
    assert judged(version(1), passed, next_one) == ("record", 2)


@pytest.mark.parametrize("decision", ["promoted", "rejected", "rolled_back"])
def test_an_alias_moved_by_hand_to_a_version_that_was_decided_on_is_no_promotion(decision: str):
    moved = version(2, "champion", review="approved", agentworld__decision=decision)
    assert judged(version(1), moved, version(3, "candidate")) == ("record", 2)


def of_round(number: int, asset: str, *aliases: str, of: int = 2, **tags: str) -> Version:
    return version(number, *aliases, agentworld__round=f"round-000{of}", dagster__asset_key=asset, **tags)


@pytest.mark.parametrize(
    ("early", "final"), [("world_model_cpt", "world_model_rl"), ("world_model_sft", "world_model_rl")]
)
@pytest.mark.parametrize("alias", ["champion", "candidate"])
def test_an_alias_on_a_stage_before_the_last_is_refused_and_told_where_it_belongs(early: str, final: str, alias: str):
    later = of_round(6, final, of=3)
    misplaced = of_round(3, early, alias, review="approved", agentworld__blocking_checks="passed")
    verdict = judge([version(1), misplaced, of_round(4, final), later], 1, auto_promote=True)
    assert verdict.action == "wait"
    expected = f"version 3 is round-0002's `{early}`, expected `{final}`; move the alias {alias} to version 4"
    assert expected in verdict.reason


def test_a_start_of_practice_without_its_end_is_refused_without_a_number():
    verdict = judge([of_round(3, "agent_base", "champion")], 1, False)
    assert verdict.action == "wait"
    assert "is round-0002's `agent_base`, expected `agent_sim_rl`; move the alias champion to a `a" in verdict.reason
    assert "no version has the alias" not in verdict.reason


def test_a_misplaced_champion_holds_up_no_decision_on_a_candidate():
    misplaced, candidate = of_round(3, "world_model_sft", "champion"), of_round(4, "world_model_rl", "candidate")
    approved = of_round(5, "world_model_rl", "candidate", review="approved")
    assert judged(version(1), misplaced, candidate) == ("wait", None)
    assert judged(version(1), misplaced, approved) == ("promote", 5)


def test_an_approval_that_was_carried_out_but_not_closed_is_no_stray():
    verdict = judge([version(2, "champion", review="approved"), version(3, "candidate")], 2, False)
    assert verdict.reason == "version 3 waits for a person to set its tag review"


def test_a_champion_without_its_alias_is_named():
    assert "no version has the alias champion, give it back: recorded is 1" in judge([version(1)], 1, False).reason


def test_the_settings_that_hold_are_those_of_the_candidate_s_round():
    champion, candidate = of_round(3, "world_model_rl", "champion"), of_round(6, "world_model_rl", "candidate", of=3)
    assert round_under_review([champion, candidate]) == "round-0003"
    assert round_under_review([champion]) == "round-0002"
    assert round_under_review([]) == round_under_review([version(1, "candidate")]) == "round-0001"
