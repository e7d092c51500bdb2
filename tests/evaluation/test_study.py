import pytest

from agentworld_dag.artifacts import write_json
from agentworld_dag.errors import EvaluationError
from agentworld_dag.evaluation import study
from agentworld_dag.evaluation.report import build, read_report
from tests.evaluation.test_report import report_stage


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("rounds")
    return [recorded_report(root, seed) for seed in (0, 1, 2)]


def recorded_report(root, seed):
    stage = report_stage(root, seed)
    write_json(stage.out / "report.json", build(stage))
    return stage.out


def test_seeds_are_pooled_from_their_rows(folders):
    runs = [read_report(folder) for folder in folders]
    pooled = study.pool_reports(runs)
    values = [run["agent"]["sim_rl"]["real_success_sampled"]["value"] for run in runs]
    found = pooled["agent"]["sim_rl"]["real_success_sampled"]
    assert found["value"] == pytest.approx(sum(values) / 3)
    assert found["n"] == 3 * runs[0]["agent"]["sim_rl"]["real_success_sampled"]["n"]
    assert found["clusters"] == runs[0]["agent"]["sim_rl"]["real_success_sampled"]["clusters"]


def test_a_study_is_a_document_and_its_pictures(folders, tmp_path):
    out = tmp_path / "docs" / "results.md"
    study.study([read_report(folder) for folder in folders], out)
    text = out.read_text()
    assert "seeds 0, 1, 2" in text
    assert "| seed 0 | seed 1 | seed 2 | pooled |" in text
    assert "yes yes yes" in text
    for name in ("fidelity", "drift", "reliability", "agent"):
        assert f"(images/{name}.png)" in text
        assert (tmp_path / "docs" / "images" / f"{name}.png").stat().st_size > 5000


def test_one_seed_is_no_study(folders, tmp_path):
    with pytest.raises(EvaluationError, match="two or more different"):
        study.study([read_report(folders[0])], tmp_path / "results.md")


def test_unlike_settings_are_refused(folders, tmp_path):
    runs = [read_report(folder) for folder in folders]
    runs[1]["settings"]["evaluation"]["tasks"] += 1
    with pytest.raises(EvaluationError, match=r"seeds \[1\] ran with other settings"):
        study.study(runs, tmp_path / "results.md")
