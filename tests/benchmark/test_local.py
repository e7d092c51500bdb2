"""A real tiny checkpoint, asked in this process."""

import json
from pathlib import Path

import pytest

from agentworld_dag import cli
from agentworld_dag.benchmark import local
from agentworld_dag.benchmark.building import write_benchmark
from agentworld_dag.benchmark.local import LocalModel, predict_locally
from agentworld_dag.benchmark.samples import BenchSample, read_benchmark
from agentworld_dag.errors import EvaluationError
from agentworld_dag.simulator.in_process import load_engine
from agentworld_dag.simulator.teacher_forced import Place
from agentworld_dag.training.tokenizer import ChatEncoder
from agentworld_dag.trajectories.render import turn_messages
from tests.small_loop import base, make_trajectory, splits

__all__ = ["base", "splits"]


@pytest.fixture
def samples(tmp_path: Path) -> tuple[BenchSample, ...]:
    write_benchmark([(make_trajectory(number), turn) for number in range(4) for turn in range(3)], tmp_path / "data")
    return read_benchmark(tmp_path / "data").samples


def model(base: Path, **changes: object) -> LocalModel:
    settings = {"shown": "ledger", "temperature": 0.0, "max_tokens": 8, "reasons": True, "seed": 0}
    return LocalModel(base / "checkpoint", **(settings | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("shown", ["history", "ledger"])
def test_a_checkpoint_is_shown_what_it_was_trained_on(base: Path, samples, shown) -> None:
    places = [Place(make_trajectory(number), turn) for number in range(4) for turn in range(3)]
    trained_on = [turn_messages(place.trajectory, place.turn_index, shown, "compact")[0] for place in places]
    assert [local._messages(sample, shown) for sample in samples] == trained_on


def test_answers_are_those_of_the_engine(base: Path, samples, tmp_path: Path) -> None:
    rows = predict_locally(samples, model(base), tmp_path / "out")
    engine = load_engine(base / "checkpoint", 0)
    encoder = ChatEncoder(engine.tokenizer)
    prompts = encoder.prompts(local._messages(sample, "ledger") for sample in samples)
    answers = encoder.tokenizer.batch_decode(engine.generate_batch(prompts, 8, 0.0))
    assert [rows[sample.key]["gen"] for sample in samples] == answers
    assert all(rows[sample.key]["completion_tokens"] <= 8 for sample in samples)


def test_a_run_goes_on_where_it_was(base: Path, samples, tmp_path: Path, monkeypatch) -> None:
    whole = predict_locally(samples, model(base), tmp_path / "whole")
    monkeypatch.setattr(local, "BATCH", 4)
    part = tmp_path / "part" / "predictions.jsonl"
    predict_locally(samples, model(base), part.parent)
    part.write_bytes(b"".join(part.read_bytes().splitlines(keepends=True)[:5]))
    resumed = predict_locally(samples, model(base), part.parent)
    assert {key: row["gen"] for key, row in resumed.items()} == {key: row["gen"] for key, row in whole.items()}


def test_a_prompt_beyond_the_window_is_a_failed_row_with_its_cause(base: Path, samples, tmp_path: Path) -> None:
    window = load_engine(base / "checkpoint", 0).window.max_tokens
    rows = predict_locally(samples, model(base, max_tokens=window), tmp_path / "out")
    assert all(row["failed"] == 1.0 and "do not fit the window" in row["error_message"] for row in rows.values())


def test_samples_without_states_are_refused_where_states_are_shown(base: Path, samples, tmp_path: Path) -> None:
    official = tuple(BenchSample(s.domain, s.id, s.turn, 3, s.system, s.actions, s.observations) for s in samples)
    with pytest.raises(EvaluationError, match="12 of 12 samples hold no true state"):
        predict_locally(official, model(base), tmp_path / "out")
    assert len(predict_locally(official, model(base, shown="official"), tmp_path / "out")) == 12


def test_other_weights_are_not_mixed_into_a_folder(base: Path, samples, tmp_path: Path) -> None:
    predict_locally(samples, model(base), tmp_path / "out")
    with pytest.raises(EvaluationError, match="was made with max_tokens"):
        predict_locally(samples, model(base, max_tokens=9), tmp_path / "out")


def test_from_the_command_line(base: Path, samples, tmp_path: Path, capsys, caplog) -> None:
    asked = ["bench", "run", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--json", "--error-budget", "1"]
    checkpoint = ["--checkpoint", str(base / "checkpoint"), "--max-tokens", "8", "--no-reasoning"]
    assert cli.main([*asked, *checkpoint, "--shown", "history"]) == 0
    assert json.loads(capsys.readouterr().out)["domains"]["terminal"]["valid"] > 0
    assert cli.main([*asked, *checkpoint, "--model", "x"]) == 1
    assert "name one world model" in caplog.text
