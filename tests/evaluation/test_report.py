import re

import pytest

from agentworld_dag.artifacts import write_json
from agentworld_dag.errors import StoreError
from agentworld_dag.evaluation import report, tables, transfer
from tests.evaluation.recorded import EXACT, SOLVED, write_round
from tests.small_loop import new_stage, small_preset

MEASURED = (
    "fidelity_report",
    "simulator_drift",
    "simulator_reliability",
    "judged_answers",
    "judge_trial",
    "transfer_report",
)
ESTIMATE = {"value", "low", "high", "n"}


def report_stage(root, seed=0, **changes):
    """The report stage of a made-up round, its inputs ready."""
    folders = write_round(root, seed, **changes)
    folders["transfer_report"] = root / "lake" / "transfer_report" / "round-0001" / f"seed{seed}"
    evaluation = small_preset().evaluation.model_copy(update={"bootstrap_samples": 100})
    asked = {name: folders[name] for name in ("real_env_evaluation", "simulator_evaluation")}
    transfer.work(new_stage(folders["transfer_report"], asked, seed, evaluation=evaluation))
    finished = {
        "timing": {"process_started_at": 5000.0, "work_started_at": 5001.0, "finished_at": 5003.0},
        "inputs": {name: str(folder) for name, folder in asked.items()},
        "metrics": {},
    }
    write_json(folders["transfer_report"] / "result.json", finished)
    asked |= {name: folders[name] for name in MEASURED}
    return new_stage(root / "lake" / "round_report" / "round-0001" / f"seed{seed}", asked, seed, evaluation=evaluation)


def make_report(root, **changes):
    """The folder of a round's report."""
    stage = report_stage(root, **changes)
    report.work(stage)
    return stage.out


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return make_report(tmp_path_factory.mktemp("round"))


@pytest.fixture
def content(out):
    return report.read_report(out)


def test_report_json_has_every_key_readers_rely_on(content):
    for checkpoint in ("cpt", "sft", "rl"):
        for score in ("greedy_em", "sampled_em", "changed_f1"):
            assert set(content["fidelity"][checkpoint][score]) >= ESTIMATE
    assert set(content["fidelity"]["copy_baseline"]) >= ESTIMATE
    for regime in ("teacher_forced", "free_running"):
        assert [row["turn"] for row in content["drift"][regime]] == [1, 2, 3, 4]
        assert all(set(row) >= ESTIMATE for row in content["drift"][regime])
    for arm in ("base", "sim_rl", "real_rl", "real_rl_scarce", "warmup", "scratch"):
        assert set(content["agent"][arm]["real_success_sampled"]) >= ESTIMATE
        assert set(content["agent"][arm]["real_success_greedy"]) >= ESTIMATE
        assert content["real_steps"][arm] > 0
    for key in ("sim_success", "real_success", "gap", "exploit_rate"):
        assert set(content["transfer"][key]) >= ESTIMATE
    assert {claim["holds"] for claim in content["claims"]} <= {"yes", "no", "undecided"}
    assert all(claim["claim"] and claim["evidence"] for claim in content["claims"])
    assert (content["round"], content["preset"], content["seed"]) == ("round-0001", "tiny", 0)


def test_how_far_to_trust_an_answer_is_told_for_both_modes(content):
    trust = content["reliability"]
    for mode in ("ledger", "history"):
        assert trust["error_path"][mode]["malformed"]["reported"]["value"] == pytest.approx(0.5, abs=0.3)
        assert trust["calibration"][mode]["agreement"]["auroc"]["value"] > 0.5
        assert trust["replays"][mode]["0"]["standard_deviation"]["value"] == 0
        assert trust["replays"][mode]["1"]["turns_that_differ"]["value"] > 0.2
        assert [point["turn"] for point in trust["survival"][mode]["survival"]] == [1, 2, 3, 4]
    assert trust["survival"]["ledger"]["half_life"] == {"value": None, "low": None, "high": None, "last": 4}
    assert trust["survival"]["history"]["half_life"]["value"] in (3, 4)


def test_a_round_without_reliability_measurements_has_dashes_for_them(tmp_path):
    stage = report_stage(tmp_path)
    del stage.inputs["simulator_reliability"]
    report.work(stage)
    assert "| ledger, malformed | – | – | – | – | – |" in (stage.out / "report.md").read_text()  # noqa: RUF001


def test_seconds_per_stage_add_up(content):
    stages = {name: spent for name, spent in content["seconds"].items() if name != "total"}
    assert stages["world_model_sft"] == 60
    assert content["seconds"]["total"] == pytest.approx(sum(stages.values()))
    assert content["start_up_seconds"]["world_model_sft"] == 2


def test_the_state_is_scored_only_where_it_is_kept(content):
    assert content["drift"]["teacher_forced"][0]["state"]["value"] is None
    assert content["drift"]["free_running"][0]["state"]["value"] > 0.5


def test_the_page_stands_alone_and_has_its_pictures(out):
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 7
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "SFT raises greedy exact match over CPT" in page


def test_markdown_starts_with_a_table_and_ends_with_the_limits(out):
    text = (out / "report.md").read_text()
    assert text.index("## World model") < text.index("## Claims") < text.index("## Limits")
    assert "| yes | SFT raises greedy exact match over CPT |" in text


def test_the_terminal_table_fits_and_tells_the_verdicts(content):
    text = tables.terminal_table(content)
    assert max(map(len, text.splitlines())) <= tables.TERMINAL_COLUMNS
    assert re.search(r"^yes +\+0\.\d+ \[.*\] +SFT raises greedy exact match", text, re.MULTILINE)
    assert "RL in simulation" in text
    assert "Break-even: " in text


def test_what_was_not_measured_is_a_dash_and_nothing_breaks(tmp_path):
    fewer = {key: chance for key, chance in SOLVED.items() if key[0] not in ("warmup", "scratch")}
    out = make_report(tmp_path, exact={k: v for k, v in EXACT.items() if k[0] != "copy"}, solved=fewer)
    content = report.read_report(out)
    assert content["agent"]["scratch"]["real_success_sampled"]["value"] is None
    assert content["fidelity"]["copy_baseline"]["value"] is None
    assert tables.NOT_MEASURED in tables.terminal_table(content)


def test_metrics_of_the_stage_are_plain_numbers(content):
    found = report.headline(content)
    assert found["fidelity"]["rl"]["greedy_em"] == content["fidelity"]["rl"]["greedy_em"]["value"]
    assert sum(found["claims"].values()) == len(content["claims"])


def test_publishing_keeps_each_seed_and_shows_the_latest(out, tmp_path):
    page = report.publish(out, tmp_path / "reports", seed=3)
    assert page == tmp_path / "reports" / "report.html"
    assert page.read_text() == (tmp_path / "reports" / "seed-3" / "report.html").read_text()
    report.publish(out, tmp_path / "reports", seed=4)
    assert (tmp_path / "reports" / "seed-3" / "report.json").is_file()


def test_a_missing_report_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"report\.json"):
        report.read_report(tmp_path)
