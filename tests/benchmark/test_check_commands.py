"""`agentworld bench checks` and `bench verify` as a person calls them."""

import json
from pathlib import Path

import pytest

from agentworld_dag import cli
from agentworld_dag.benchmark.checks import read_checks
from agentworld_dag.benchmark.samples import placed, read_benchmark
from agentworld_dag.trajectories.parquet import read_trajectories, write_trajectories
from tests.benchmark.recorded_sessions import HOME, SESSION
from tests.endpoints.scripted_server import Said, serving


@pytest.fixture
def held_out(tmp_path: Path, episode) -> Path:
    path = tmp_path / "held_out.parquet"
    write_trajectories(path, [episode(id=f"e{i}", initial_state=HOME, turns=SESSION) for i in range(6)])
    return path


@pytest.fixture
def data(tmp_path: Path, held_out: Path) -> Path:
    assert cli.main(["bench", "checks", str(held_out), "--out", str(tmp_path / "data")]) == 0
    return tmp_path / "data"


def predict(data: Path, answer) -> str:
    """Predictions as `bench run` writes them; `answer` says what to write for a sample."""
    rows = [
        placed(sample.key) | {"gen": answer(sample), "failed": 0.0, "finish_reason": "stop"}
        for sample in read_benchmark(data).samples
    ]
    path = data / "predictions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def verified(data: Path, predictions: str, capsys: pytest.CaptureFixture[str]) -> dict:
    capsys.readouterr()
    assert cli.main(["bench", "verify", str(data), predictions, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_is_written_belongs_together(data: Path) -> None:
    checks, problems = read_checks(data / "checks.jsonl")
    samples = read_benchmark(data)
    assert problems == samples.problems == ()
    assert {check.key for check in checks} == {sample.key for sample in samples.samples}
    assert {check.id for check in checks} == {t.id for t in read_trajectories(data / "trajectories.parquet")}
    assert sum(json.loads((data / "checks.json").read_text())["checks"].values()) == len(checks)
    instructed = [sample for sample in samples.samples if "+" in sample.id]
    assert instructed and all("# Simulation Instruction" in sample.system for sample in instructed)


def test_the_truth_passes_every_check_and_a_copy_hardly_any(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = verified(data, predict(data, lambda sample: sample.truth), capsys)
    assert {each["value"] for each in truth["axes"].values()} == {1.0}
    copy = verified(data, predict(data, lambda s: s.observations[-2] if s.turn > 1 else "~$"), capsys)
    assert max(each["value"] for each in copy["axes"].values()) < 0.5


def test_the_table_has_axes_distances_and_rules(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predictions = predict(data, lambda sample: sample.truth)
    capsys.readouterr()
    assert cli.main(["bench", "verify", str(data), predictions]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("a missing answer is wrong")
    assert [line.split()[0] for line in lines[1:4]] == ["controllability", "error", "consistency"]
    assert any(line.startswith("consistency at distance 2") and "100.00 [" in line for line in lines)


def test_how_many_were_made_and_fooled_is_told(held_out: Path, tmp_path: Path, capsys) -> None:
    assert cli.main(["bench", "checks", str(held_out), "--out", str(tmp_path / "x"), "--most-per-axis", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("error: 6 generated, 6 kept, 0 of ") and lines[1].endswith("accepted (0.00%)")
    assert lines[-1].startswith("12 checks in ")


def test_a_served_model_is_asked_and_verified(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = read_benchmark(data).samples
    truths = {json.dumps(sample.messages()): sample.truth for sample in samples}
    first = json.dumps(samples[0].messages())
    spoilt = {sample.key for sample in samples if json.dumps(sample.messages()) == first}

    def answer(request: dict, _: int) -> Said:
        asked = json.dumps(request["messages"])
        return Said("no prompt" if asked == first else truths[asked])

    out = data.parent / "out"
    with serving(answer) as server:
        assert cli.main(["bench", "run", str(data), "--out", str(out), "--model-url", server.url, "--model", "m"]) == 0
    found = verified(data, str(out / "predictions.jsonl"), capsys)
    missed = found["checks"] - sum(each["value"] * each["n"] for each in found["axes"].values())
    assert found["answered"] == found["checks"]
    assert missed == pytest.approx(sum(check.key in spoilt for check in read_checks(data / "checks.jsonl")[0]))


def test_what_training_shows_is_refused(tmp_path: Path, held_out: Path, caplog: pytest.LogCaptureFixture) -> None:
    command = ["bench", "checks", str(held_out), "--out", str(tmp_path / "x"), "--training", str(held_out)]
    assert cli.main(command) == 1
    assert "checks are about sessions that training shows (id" in caplog.text
    assert not (tmp_path / "x").exists()


def test_bad_input_is_one_clear_error(tmp_path: Path, held_out: Path, data: Path, caplog) -> None:
    assert cli.main(["bench", "checks", str(held_out), "--out", str(tmp_path), "--most-per-axis", "0"]) == 1
    assert "--most-per-axis 0: expected 1 or more" in caplog.text
    assert cli.main(["bench", "verify", str(tmp_path), str(tmp_path / "none.jsonl")]) == 1
    assert "expected checks as `agentworld bench checks` writes them" in caplog.text
    assert cli.main(["bench", "verify", str(data), str(tmp_path / "none.jsonl")]) == 1
    assert "expected predictions as `agentworld bench run` writes them" in caplog.text
