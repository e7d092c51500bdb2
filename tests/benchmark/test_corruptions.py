import random

import pytest

from agentworld_dag.benchmark.checks import Check, accepts
from agentworld_dag.benchmark.corruptions import adversarial_outputs, corruptions
from agentworld_dag.benchmark.extraction import predicted_observation
from agentworld_dag.benchmark.shell_rules import Expected

WORDS = ["red", "blue", "memo", "list"]
TRUTHS = {
    "ls docs": Expected(("list", "memo"), 0, "~"),
    "cat memo": Expected(("cat: memo: No such file or directory",), 1, "~/docs"),
    "test -f memo": Expected((), 1, "~"),
    "": Expected((), 0, "~/docs", "#"),
}


def planted(action: str, expected: Expected, seed: int = 0) -> dict[str, str]:
    return corruptions(TRUTHS[action].shown(), expected, action, WORDS, random.Random(seed))


@pytest.mark.parametrize("action", TRUTHS)
def test_every_fault_is_one_and_is_rejected(action: str) -> None:
    check = Check("terminal", "e", 1, "error", "rule", None, TRUTHS[action])
    for seed in range(30):
        faults = planted(action, TRUTHS[action], seed)
        assert {"sign_changed", "exit_flipped", "wrong_cwd", "line_added", "empty"} <= set(faults)
        assert TRUTHS[action].shown() not in faults.values()
        assert not any(accepts(check, text) for text in faults.values())


def test_faults_are_what_their_names_say() -> None:
    listing, error = planted("ls docs", TRUTHS["ls docs"]), planted("cat memo", TRUTHS["cat memo"])
    assert listing["exit_flipped"] == "list\nmemo\n~[1]$"
    assert listing["line_dropped"] in ("list\n~$", "memo\n~$")
    assert listing["failure_for_success"] == "bash: ls: command not found\n~[127]$"
    assert error["success_for_failure"] == "~/docs$"
    assert error["wrong_name"].startswith("cat: ") and "memo" not in error["wrong_name"]
    assert error["wrong_cwd"].endswith("\n~[1]$")


def test_only_what_is_looked_at_is_spoilt() -> None:
    assert set(planted("ls docs", Expected(None, None, None))) == {"sign_changed", "empty"}
    assert set(planted("ls docs", Expected(None, 0, None))) == {"sign_changed", "exit_flipped", "empty"}


def test_a_truth_without_a_prompt_cannot_be_spoilt() -> None:
    assert corruptions("no prompt", TRUTHS["ls docs"], "ls", WORDS, random.Random(0)) == {}


@pytest.mark.parametrize("action", TRUTHS)
def test_no_deceiving_answer_passes(action: str) -> None:
    truth = TRUTHS[action].shown()
    check = Check("terminal", "e", 1, "error", "rule", None, TRUTHS[action])
    for seed in range(10):
        outputs = adversarial_outputs(truth, action, "red\n~$", "blue\n~$", random.Random(seed))
        assert len(outputs) >= 14
        for name, text in outputs.items():
            assert not accepts(check, text), name
            assert not accepts(check, predicted_observation(text)), name


def test_an_answer_that_is_the_truth_deceives_nobody() -> None:
    truth = TRUTHS["ls docs"].shown()
    outputs = adversarial_outputs(truth, "ls docs", truth, f"{truth}\n", random.Random(0))
    assert {"last_observation", "other_truth"}.isdisjoint(outputs)


def test_a_check_that_looks_at_little_can_be_deceived() -> None:
    """The measure can fail: it is not 0 by the way it is taken."""
    loose = Check("terminal", "e", 1, "error", "rule", None, Expected(None, 0, "~"))
    outputs = adversarial_outputs("list\nmemo\n~$", "ls docs", "red\n~$", "blue\n~$", random.Random(0))
    assert {"self_praise", "keyword_echo"} <= {name for name, text in outputs.items() if accepts(loose, text)}
