import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from agentworld_dag import cli
from agentworld_dag.benchmark.building import build_benchmark, chosen_turns, drawn_turns, training_text
from agentworld_dag.benchmark.contamination import exposures
from agentworld_dag.benchmark.samples import read_benchmark
from agentworld_dag.errors import EvaluationError
from agentworld_dag.simulator.teacher_forced import sample_places
from agentworld_dag.trajectories.parquet import write_trajectories
from agentworld_dag.trajectories.schema import Turn

LONG = tuple(Turn(f"cat file{i}", f"word{i} of a longer text {i}\n~$") for i in range(12))


@pytest.mark.parametrize(("count", "chosen"), [(0, 0), (1, 1), (2, 2), (3, 3), (5, 5), (40, 5)])
def test_the_first_the_last_and_three_between_are_chosen(count: int, chosen: int) -> None:
    turns = chosen_turns(count, random.Random(0))
    assert len(turns) == len(set(turns)) == chosen
    assert not count or (turns[0], turns[-1]) == (0, count - 1)


def test_what_is_written_is_read_back_as_it_was(tmp_path: Path, episode) -> None:
    trajectories = [episode(id=f"e{i}", turns=LONG) for i in range(3)]
    assert build_benchmark(trajectories, tmp_path / "data", seed=0) == {"terminal": 15}
    found = read_benchmark(tmp_path / "data")
    assert found.problems == ()
    assert len(found.samples) == 15
    assert all(str(LONG[sample.turn - 1].observation) in sample.truth for sample in found.samples)


def test_nothing_to_write_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no trajectory with a turn to predict"):
        build_benchmark([], tmp_path, seed=0)


def test_a_trajectory_is_found_in_itself_and_not_in_another(tmp_path: Path, episode) -> None:
    shown = episode(id="shown", turns=LONG)
    renamed = episode(id="renamed", turns=LONG)
    fresh = episode(id="fresh", turns=tuple(Turn(f"ls dir{i}", f"name{i} and much more of it\n~$") for i in range(12)))
    build_benchmark([renamed, fresh], tmp_path, seed=0)
    found = exposures(read_benchmark(tmp_path).samples, [training_text(shown)])
    late = {each.sample[1]: each for each in found if each.sample[2] == 12}
    assert late["renamed"].seen_share == 1.0
    assert late["fresh"].seen_share == 0.0


def test_from_recorded_sessions_to_scores_of_the_clean_ones(
    tmp_path: Path, episode, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = [
        episode(id=f"e{i}", turns=tuple(Turn(f"{i} {t.action}", f"{i} {t.observation}") for t in LONG))
        for i in range(4)
    ]
    write_trajectories(tmp_path / "held_out.parquet", held_out)
    write_trajectories(tmp_path / "sft.parquet", held_out[:1])
    data, audit, judged = tmp_path / "data", tmp_path / "audit.jsonl", tmp_path / "judged.jsonl"
    assert cli.main(["bench", "build", str(tmp_path / "held_out.parquet"), "--out", str(data)]) == 0
    assert (
        cli.main(["bench", "audit", str(data), "--training", str(tmp_path / "sft.parquet"), "--out", str(audit)]) == 0
    )
    assert "15 of 20 samples clean, 5 with an id seen in training" in capsys.readouterr().out
    scores = dict.fromkeys(("format", "factuality", "consistency", "realism", "quality"), 3)
    rows = [{"task": d, "id": i, "turn_idx": t, "failed": 0.0} | scores for d, i, t in keys(data)]
    judged.write_text("".join(json.dumps(row | ({"format": 5} if row["id"] == "e0" else {})) + "\n" for row in rows))
    assert cli.main(["bench", "score", str(judged), "--audit", str(audit), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["clean"]["overall"] == 50.0 < found["overall"]
    assert found["clean"]["domains"]["terminal"]["valid"] == 15


def keys(data: Path) -> list[tuple[str, str, int]]:
    return [sample.key for sample in read_benchmark(data).samples]


@pytest.mark.parametrize(
    ("content", "told"),
    [("", "no sample in it"), ("{", "Expecting"), ('{"task": "web"}', "is no audit: a line without 'clean'")],
)
def test_an_unusable_audit_is_one_clear_error(
    tmp_path: Path, content: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audit.jsonl").write_text(content)
    row = {"task": "web", "id": 1, "turn_idx": 1, "failed": 0.0}
    row |= dict.fromkeys(("format", "factuality", "consistency", "realism", "quality"), 3)
    (tmp_path / "judged.jsonl").write_text(json.dumps(row))
    command = ["bench", "score", str(tmp_path / "judged.jsonl"), "--audit", str(tmp_path / "audit.jsonl")]
    assert cli.main(command) == 1
    assert told in caplog.text


def test_the_official_protocol_knows_no_audit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert cli.main(["bench", "score", "x.jsonl", "--protocol", "official", "--audit", str(tmp_path)]) == 1
    assert "--audit goes with --protocol strict" in caplog.text


def test_turns_are_drawn_as_the_simulators_gate_draws_them(episode) -> None:
    trajectories = [episode(id=f"e{i}", turns=LONG[: 3 + i]) for i in range(5)]
    drawn = [(trajectory.id, index) for trajectory, index in drawn_turns(trajectories, 9, seed=3)]
    assert drawn == [(place.trajectory.id, place.turn_index) for place in sample_places(trajectories, 9, 3)]
    assert len(drawn_turns(trajectories, 10**6, seed=3)) == sum(len(t.turns) for t in trajectories)


def test_reading_a_benchmark_loads_no_ml_library() -> None:
    modules = ("benchmark.heldout", "evaluation.judged_answers", "evaluation.leaderboard", "evaluation.judge_trial")
    imports = "; ".join(f"import agentworld_dag.{module}" for module in modules)
    code = f"{imports}; import sys; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
