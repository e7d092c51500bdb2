"""Judges on trial, behind a real HTTP server, each with its planted fault."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.benchmark.trial import Trial, try_judge
from agentworld_dag.benchmark.verdicts import claims, verdicts
from agentworld_dag.cli import main
from agentworld_dag.endpoints.client import Endpoint
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation.intervals import Resampling
from tests.benchmark import scripted_judge as judges
from tests.benchmark.trial_samples import CALLS, SAMPLES, small_limits, trial_samples, write_samples, write_trial_preset
from tests.endpoints.scripted_server import Answer, Said, serving

PLAN = Resampling(50, seed=0)
ALL = tuple(claims(small_limits()))
UNUSABLE = ("judge_answers_are_usable",)


def tried(folder: Path, answer: Answer, **asked: Any) -> Trial:
    samples = trial_samples(folder / "data")
    with serving(answer) as server:
        base = {"model": "j", "temperature": 0.0, "max_tokens": 64, "timeout_s": 5.0, "most_open": 8}
        judge = Endpoint(server.url, **{**base, **asked})
        return try_judge(samples, judge, small_limits().samples, folder / "out", PLAN)


def failed(trial: Trial, **limits: Any) -> tuple[str, ...]:
    return tuple(each.name for each in verdicts(trial, small_limits(**limits)) if not each.holds)


FAULTS: dict[str, tuple[Answer, tuple[str, ...]]] = {
    "honest": (judges.honest, ()),
    "lenient": (judges.leaning(judges.lenient), ("planted_errors_cost_points", "judges_agree")),
    "grudging": (judges.leaning(judges.grudging), ("gold_answers_score_the_maximum",)),
    "moody": (judges.moody(), ("the_judge_repeats_itself",)),
    "fond of the first": (judges.leaning(judges.fond_of_the_first), ("order_does_not_matter",)),
    "fond of length": (judges.leaning(judges.fond_of_length), ("length_earns_nothing",)),
    "bribed by praise": (
        judges.leaning(judges.bribed_by("successfully|complete and realistic|perfectly")),
        ("praise_earns_nothing",),
    ),
    "impressed by a few": (judges.leaning(judges.impressed_by_few), ("praise_earns_nothing",)),
    "bribed by keywords": (judges.leaning(judges.bribed_by("factuality")), ("judge_keywords_earn_nothing",)),
    "bribed by pleas": (judges.leaning(judges.bribed_by("five points|highest|generous")), ("pleas_earn_nothing",)),
    "fooled": (judges.leaning(judges.fooled), ("forged_references_earn_nothing",)),
    "prose now and then": (judges.now_and_then(judges.GARBAGE, 13), UNUSABLE),
    "truncated now and then": (judges.now_and_then(judges.TRUNCATED, 13), UNUSABLE),
    "prose always": (lambda *_: judges.GARBAGE, ALL),
    "truncated always": (lambda *_: judges.TRUNCATED, ALL),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught_by_the_claims_it_breaks_and_by_no_other(tmp_path: Path, fault: str) -> None:
    answer, broken = FAULTS[fault]
    assert failed(tried(tmp_path, answer)) == broken


@pytest.mark.parametrize(
    "passing", [judges.OVERLOADED, Said(delay_s=1.0)], ids=["429 now and then", "too slow now and then"]
)
def test_what_passes_when_asked_again_changes_no_measure(tmp_path: Path, passing: Said) -> None:
    disturbed = tried(tmp_path / "a", judges.now_and_then(passing, 60), timeout_s=0.5)
    assert failed(disturbed) == ()
    assert disturbed.measures == tried(tmp_path / "b", judges.honest).measures


def test_the_embedded_rules_pass_and_every_measure_is_taken(tmp_path: Path) -> None:
    trial = try_judge(trial_samples(tmp_path / "data"), None, SAMPLES, tmp_path / "out", PLAN)
    assert failed(trial) == ()
    assert all(found and found.n >= SAMPLES for found in trial.measures.values())
    assert sum(1 for _ in trial.file.open()) == CALLS


def test_unmeasured_never_passes(tmp_path: Path) -> None:
    trial = tried(tmp_path, judges.honest)
    assert failed(trial, least_measured=10**6) == ALL
    told = verdicts(trial, small_limits(least_measured=41))[0].evidence
    assert "over 12, fewer than the 41 that count" in told


def test_without_a_least_kappa_agreement_is_not_claimed(tmp_path: Path) -> None:
    trial = tried(tmp_path, judges.leaning(judges.lenient))
    assert failed(trial, least_kappa=None) == ("planted_errors_cost_points",)


def test_a_second_trial_asks_for_what_was_unusable_and_nothing_else(tmp_path: Path) -> None:
    tried(tmp_path, judges.now_and_then(judges.GARBAGE, 26))
    asked: list[int] = []
    second = tried(tmp_path, lambda request, before: asked.append(before) or judges.honest(request, before))
    assert len(asked) == CALLS // 26
    assert failed(second) == ()


def test_answers_to_other_questions_are_refused(tmp_path: Path) -> None:
    tried(tmp_path, judges.honest)
    with pytest.raises(EvaluationError, match=r"was made with questions .* name another folder"):
        try_judge(
            trial_samples(tmp_path / "data"), Endpoint("http://j/v1", "j", 0.0, 64, 5.0, 8), 11, tmp_path / "out", PLAN
        )


def test_swapped_questions_show_the_prediction_before_the_truth(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    tried(tmp_path, lambda request, before: seen.append(list(judges.question(request))) or judges.honest(request, 0))
    assert seen.count(["history", "action", "truth", "prediction"]) == SAMPLES * 10
    assert seen.count(["history", "action", "prediction", "truth"]) == SAMPLES * 3


def command(folder: Path, *more: str) -> list[str]:
    write_samples(folder / "data")
    preset = write_trial_preset(folder / "preset.yaml")
    return ["bench", "trial", str(folder / "data"), "--out", str(folder / "out"), "--preset", str(preset), *more]


def test_the_command_prints_measures_limits_and_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(tmp_path)) == 0
    printed = capsys.readouterr().out
    assert "at least 0.95" in printed
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("holds")] == list(ALL)


def test_a_failed_claim_is_one_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with serving(judges.leaning(judges.fooled)) as server:
        assert main(command(tmp_path, "--judge-url", server.url, "--judge", "j", "--json")) == 1
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found["verdicts"] if not each["holds"]] == ["forged_references_earn_nothing"]
    (told,) = [record.getMessage() for record in caplog.records if "JudgeError" in record.getMessage()]
    assert "j failed 1 of 11 claims (forged_references_earn_nothing: forged_gain" in told
    assert "\n" not in told


def test_killed_midway_and_run_again_the_trial_ends_as_if_undisturbed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow(request: dict[str, Any], before: int) -> Said:
        return Said(judges.honest(request, before).content, delay_s=0.05)

    with serving(slow) as server:
        line = command(tmp_path, "--judge-url", server.url, "--judge", "j", "--json", "--at-once", "1")
        running = subprocess.Popen(
            [sys.executable, "-m", "agentworld_dag.cli", *line],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ,
        )
        deadline = time.monotonic() + 60
        while len(server.asked) < 20:
            assert time.monotonic() < deadline, "no 20 calls within 60 s"
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.wait()
        asked_before = len(server.asked)
        assert asked_before < CALLS
        assert main(command(tmp_path, "--judge-url", server.url, "--judge", "j", "--json")) == 0
        assert len(server.asked) <= CALLS + 1
    resumed = json.loads(capsys.readouterr().out)
    with serving(judges.honest) as server:
        out = str(tmp_path / "undisturbed")
        assert main(command(tmp_path, "--judge-url", server.url, "--judge", "j", "--json", "--out", out)) == 0
    assert json.loads(capsys.readouterr().out) == resumed
