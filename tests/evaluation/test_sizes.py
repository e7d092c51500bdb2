import copy
from typing import Any

import pytest

from agentworld_dag import cli
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation import sizes
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.report import build
from tests.evaluation.recorded import EXACT, SOLVED
from tests.evaluation.test_report import report_stage

Report = dict[str, Any]
BETTER = {("sft", "ledger", "greedy"): 0.95}
PLAN = Resampling(100, 0)


def of_size(report: Report, name: str, hidden_size: int) -> Report:
    model = {**report["settings"]["model"], "hidden_size": hidden_size}
    return {**report, "preset": name, "settings": {**report["settings"], "name": name, "model": model}}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    """Two seeds of two sizes, the larger one first; it is better after SFT and its agents gain less."""
    solved = SOLVED | {("sim_rl", "sampled"): 0.45}
    root = tmp_path_factory.mktemp("sizes")
    wide = [build(report_stage(root / "wide", seed, exact=EXACT | BETTER, solved=solved)) for seed in (0, 1)]
    narrow = [build(report_stage(root / "narrow", seed)) for seed in (0, 1)]
    return [of_size(run, "wide", 64) for run in wide] + [of_size(run, "narrow", 32) for run in narrow]


def test_the_page_holds_every_size_and_what_it_changes(reports: list[Report], tmp_path) -> None:
    out = tmp_path / "docs" / "sizes.md"
    sizes.compare(reports, out)
    text = out.read_text()
    assert "Presets `narrow`, `wide`, seeds 0, 1" in text
    assert "wide − narrow" in text  # noqa: RUF001
    assert (tmp_path / "docs" / "images" / "sizes.png").stat().st_size > 5000
    assert "(images/sizes.png)" in text


def test_differences_are_larger_less_smaller(reports: list[Report]) -> None:
    found = sizes.by_size(reports)
    assert [size.preset for size in found] == ["narrow", "wide"]
    small, large = (size.found for size in found)
    better = sizes._change(sizes.MEASURES["SFT, exact"](large), sizes.MEASURES["SFT, exact"](small), PLAN)
    assert 0.05 < better.low < better.value < 0.25
    less = sizes._change(sizes.MEASURES[sizes.GAIN](large), sizes.MEASURES[sizes.GAIN](small), PLAN)
    gains = [sizes._score(sizes.MEASURES[sizes.GAIN](side), PLAN).value for side in (large, small)]
    assert less.value == pytest.approx(gains[0] - gains[1])
    assert less.high < 0


def test_one_size_is_refused(reports: list[Report], tmp_path) -> None:
    with pytest.raises(EvaluationError, match="two or more presets, each of another size, found wide"):
        sizes.compare(reports[:2], tmp_path / "sizes.md")


def test_other_seeds_are_refused(reports: list[Report], tmp_path) -> None:
    with pytest.raises(EvaluationError, match=r"wide has seeds \[0, 1\] and narrow \[1\]"):
        sizes.compare([*reports[:2], reports[3]], tmp_path / "sizes.md")


def test_other_settings_are_refused_by_name(reports: list[Report], tmp_path) -> None:
    unlike = copy.deepcopy(reports)
    for run in unlike[:2]:
        run["settings"]["sft"]["steps"] += 1
    with pytest.raises(EvaluationError, match="wide and narrow differ in sft"):
        sizes.compare(unlike, tmp_path / "sizes.md")


def test_the_command_refuses_before_it_runs_anything(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("AGENTWORLD_HOME", str(tmp_path / "home"))
    assert cli.main(["sizes", "--presets", "tiny", "small"]) == 1
    assert "EvaluationError: small and tiny differ in agent" in caplog.text
    assert cli.main(["sizes", "--presets", "tiny"]) == 1
    assert "two or more presets, each of another size" in caplog.text
    path = tmp_path / "same.yaml"
    path.write_text("extends: tiny\nmodel: {hidden_size: 192}\n")
    assert cli.main(["sizes", "--presets", "tiny", str(path)]) == 1
    assert "expected presets with a `name` each, found tiny, tiny" in caplog.text
    assert not (tmp_path / "home").exists()
