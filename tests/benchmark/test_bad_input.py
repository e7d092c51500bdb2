"""What a person gets wrong: one error that says what to do, and nothing lost that was paid for."""

import json
from pathlib import Path

import pytest

from agentworld_dag.cli import main
from agentworld_dag.trajectories.parquet import write_trajectories
from tests.benchmark.clone import write_clone
from tests.benchmark.judged_rows import DIMENSIONS
from tests.benchmark.test_run import arguments, honest, judged, scores
from tests.benchmark.test_samples import row, write
from tests.endpoints.scripted_server import Said, serving

NOBODY = "http://127.0.0.1:9/v1"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder, "terminal", *(row(id=i, turn_idx=turn) for i in range(4) for turn in (1, 2, 3)))
    return folder


def error(caplog: pytest.LogCaptureFixture) -> str:
    """The one error there is; a single line."""
    (found,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "\n" not in found
    return found


def test_an_unreachable_model(data: Path, caplog) -> None:
    assert main(arguments(data, NOBODY)) == 1
    assert error(caplog).startswith(f"EndpointError: m at {NOBODY}: no connection to {NOBODY}")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, "EndpointError: j at http://127.0.0.1:9/v1: no connection"),
        (Said(status=401, body=b"no such key: sk-judge"), "HTTP 401: no such key: ***; 0 of 12 calls were made"),
        (Said("A fine answer, I would say 5 of 5."), "12 of 12 rows have no usable judgement"),
    ],
    ids=["unreachable", "wrong key", "prose"],
)
def test_a_judge_that_cannot_be_used_leaves_the_predictions_and_a_better_one_goes_on_from_them(
    data: Path, caplog, capsys, monkeypatch: pytest.MonkeyPatch, said: Said | None, told: str
) -> None:
    monkeypatch.setenv("AGENTWORLD_JUDGE_API_KEY", "sk-judge")
    with serving(honest) as model:
        with serving(lambda *_: said or Said()) as judge:
            url = judge.url if said else NOBODY
            assert main(arguments(data, model.url, "--judge-url", url, "--judge", "j")) == 1
        assert told in error(caplog)
        assert capsys.readouterr().out == ""
        with serving(lambda *_: Said(scores(4))) as judge:
            assert main(arguments(data, model.url, "--judge-url", judge.url, "--judge", "j", "--json")) == 0
    assert len(model.asked) == 12
    assert json.loads(capsys.readouterr().out)["overall"] == 75.0
    assert "sk-judge" not in caplog.text


def test_what_a_judge_wrote_in_place_of_scores_is_kept(data: Path) -> None:
    prose = "A fine answer. " * 100
    with serving(honest) as model, serving(lambda *_: Said(prose)) as judge:
        assert main(arguments(data, model.url, "--judge-url", judge.url, "--judge", "j")) == 1
    assert {line["judge_raw_output"] for line in judged(data, "j")} == {prose}
    assert {line["prompt_tokens"] for line in judged(data, "j")} == {3}


def test_a_judge_that_goes_away_midway_keeps_what_it_judged(data: Path, caplog) -> None:
    gone = Said(status=403, body=b"out of credit")
    with serving(honest) as model:
        with serving(lambda _, before: gone if before >= 6 else Said(scores(4))) as judge:
            line = arguments(data, model.url, "--judge-url", judge.url, "--judge", "j", "--at-once", "1")
            assert main(line) == 1
        assert "6 of 12 calls were made and are kept" in error(caplog)
        with serving(lambda *_: Said(scores(4))) as judge:
            assert main(arguments(data, model.url, "--judge-url", judge.url, "--judge", "j")) == 0
    assert len(judge.asked) == 6


def test_an_empty_benchmark_file(data: Path, caplog) -> None:
    write(data, "terminal")
    with serving(honest) as server:
        assert main(arguments(data, server.url)) == 1
    assert "no usable sample; first problem: " in error(caplog)
    assert error(caplog).endswith("terminal_test.jsonl: holds no sample")


def test_a_truncated_line_of_the_benchmark_is_named_and_the_rest_is_scored(data: Path, caplog, capsys) -> None:
    write(data, "terminal", row(), json.dumps(row(id=8))[:50])
    with serving(honest) as server:
        assert main(arguments(data, server.url, "--json")) == 0
    assert "terminal_test.jsonl:2: Unterminated string" in caplog.text
    assert json.loads(capsys.readouterr().out)["domains"]["terminal"]["valid"] == 1


def test_a_file_of_an_unknown_domain_is_named_and_is_one_error_when_there_is_nothing_else(data: Path, caplog) -> None:
    (data / "terminal_test.jsonl").unlink()
    write(data, "cooking", row("cooking"), row("cooking", turn_idx=1))
    with serving(honest) as server:
        assert main(arguments(data, server.url)) == 1
    assert "cooking_test.jsonl:1: unknown domain 'AgentWorldBench/cooking', expected one of" in error(caplog)
    assert server.asked == []


@pytest.mark.parametrize(
    ("content", "told"),
    [("", "holds no judged row"), ('{"task": "web", "id"', "holds no judged row (first problem: ")],
)
def test_an_empty_or_truncated_judged_file(tmp_path: Path, caplog, content: str, told: str) -> None:
    (tmp_path / "judged.jsonl").write_text(content)
    assert main(["bench", "score", str(tmp_path / "judged.jsonl")]) == 1
    assert told in error(caplog)


def test_a_truncated_line_of_a_judged_file_counts_against_the_budget(tmp_path: Path, caplog) -> None:
    good = [{"task": "web", "id": n, "turn_idx": 1, "failed": 0.0} | dict.fromkeys(DIMENSIONS, 3) for n in range(3)]
    text = "\n".join(map(json.dumps, good)) + '\n{"task": "web", "id"'
    (tmp_path / "judged.jsonl").write_text(text)
    assert main(["bench", "score", str(tmp_path / "judged.jsonl")]) == 1
    assert "1 of 4 rows have no usable judgement, the budget is 1.0%: no score" in error(caplog)
    assert "judged.jsonl:4: " in error(caplog)


@pytest.mark.parametrize("more", [["--judge", "j"], ["--judge-url", NOBODY], ["--judge-prompts", "prompts"]])
def test_half_of_a_judge(data: Path, caplog, more: list[str]) -> None:
    with serving(honest) as server:
        assert main(arguments(data, server.url, *more)) == 1
    assert error(caplog).startswith("ConfigError: --judge")
    assert server.asked == []


def test_a_folder_that_is_no_clone_is_refused_before_any_call(data: Path, caplog) -> None:
    with serving(honest) as server:
        more = ["--judge-url", NOBODY, "--judge", "j", "--judge-prompts", str(data)]
        assert main(arguments(data, server.url, *more)) == 1
    assert "--judge-prompts expects the `prompts` folder in a whole clone" in error(caplog)
    assert server.asked == []


def test_judgements_of_other_prompts_lie_elsewhere_and_are_not_compared(data: Path, caplog) -> None:
    prompts = str(write_clone(data.parent / "clone"))
    tagged = f'<final_evaluation>{{"scores": {scores(3)}}}</final_evaluation>'
    with serving(honest) as model:
        for said, more in ((scores(4), []), (tagged, ["--judge-prompts", prompts])):
            with serving(lambda *_, said=said: Said(said)) as judge:
                assert main(arguments(data, model.url, "--judge-url", judge.url, "--judge", "j", *more)) == 0
    first, second = sorted((data.parent / "out").glob("judged-*/judged.jsonl"))
    assert second.parent.name.startswith("judged-j-prompts-")
    assert main(["bench", "compare", str(first), str(second)]) == 1
    assert "rows of different judges (j, j-prompts-" in error(caplog)


def test_an_empty_true_observation_is_reported_and_won_by_saying_that_there_is_none(data: Path, caplog, capsys) -> None:
    empty = {"prompt": ["a", "b", "c"], "response": ["**Environment Observation:**\n", "x", ""]}
    write(data, "mcp", *(row("mcp", id=n, turn_idx=1, **empty) for n in range(4)))
    (data / "terminal_test.jsonl").unlink()
    says = ["**Environment Observation:**", "<predicted_observation></predicted_observation>", "Done.", ""]
    with serving(lambda _, before: Said(says[before])) as server:
        assert main(arguments(data, server.url, "--at-once", "1", "--error-budget", "1", "--json")) == 0
    assert "4 samples have an empty true observation" in caplog.text
    rows = sorted(judged(data), key=lambda line: line["id"])
    assert [line["total_score"] for line in rows] == [5.0, 5.0, 1.0, 0]
    assert [line["failed"] for line in rows] == [0.0, 0.0, 0.0, 1.0]
    assert json.loads(capsys.readouterr().out)["domains"]["mcp"]["failed"] == 1


def test_an_answer_cut_off_after_its_marker_is_no_empty_observation(data: Path) -> None:
    body = {"choices": [{"message": {"content": "**Environment Observation:**"}, "finish_reason": "length"}]}
    with serving(lambda *_: Said(body=json.dumps(body).encode())) as server:
        assert main(arguments(data, server.url)) == 1
    assert {line["error_message"] for line in judged(data)} == {"no prediction: the model wrote no observation"}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--error-budget", "nan"], "ConfigError: --error-budget nan: expected a share of rows, from 0 to 1"),
        (["--error-budget", "7"], "ConfigError: --error-budget 7: expected a share of rows, from 0 to 1"),
        (["--bootstrap-samples", "0"], "ConfigError: --bootstrap-samples 0"),
        (["--temperature", "nan"], "ConfigError: temperature nan of m: expected 0 or more"),
        (["--temperature", "-1"], "ConfigError: temperature -1 of m: expected 0 or more"),
        (["--timeout-s", "nan"], "each must be above 0"),
    ],
)
def test_a_number_that_makes_a_score_impossible_is_refused_before_any_call(
    data: Path, caplog, more: list[str], told: str
) -> None:
    with serving(honest) as server:
        assert main(arguments(data, server.url, *more)) == 1
    assert told in error(caplog)
    assert server.asked == []


def test_an_out_that_cannot_be_written(data: Path, tmp_path: Path, caplog, episode) -> None:
    write_trajectories(tmp_path / "held_out.parquet", [episode()])
    (tmp_path / "file").write_text("")
    assert main(["bench", "build", str(tmp_path / "held_out.parquet"), "--out", str(tmp_path / "file")]) == 1
    assert error(caplog) == f"EvaluationError: cannot write {tmp_path / 'file'}: File exists; name another --out"
    caplog.clear()
    training = str(tmp_path / "held_out.parquet")
    assert main(["bench", "audit", str(data), "--training", training, "--out", str(tmp_path)]) == 1
    assert "name another --out" in error(caplog)
