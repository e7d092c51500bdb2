"""From answers to the leaderboard through the real stages, an endpoint among them."""

import json
from pathlib import Path

import polars as pl
import pytest

from agentworld_dag.benchmark.judged import read_judged, sound
from agentworld_dag.benchmark.settings import Benchmark, ChatEndpoint
from agentworld_dag.benchmark.strict import strict_scores
from agentworld_dag.errors import EndpointError, StoreError
from agentworld_dag.evaluation import answers, endpoint_answers, judge_trial, judged_answers, leaderboard
from agentworld_dag.evaluation.intervals import Resampling
from agentworld_dag.evaluation.measurements import CHECKPOINTS
from tests.endpoints.scripted_server import Said, serving
from tests.small_loop import base, heldout, small_preset, splits, stage

__all__ = ["base", "heldout", "splits", "stage"]


def with_endpoint(url: str) -> Benchmark:
    endpoint = ChatEndpoint(url=url, model="org/one", temperature=0.0, max_tokens=64, timeout_s=5.0, at_once=4)
    return small_preset().benchmark.model_copy(update={"endpoints": (endpoint,)})


@pytest.fixture
def answered(stage, base: Path, splits: Path, heldout: Path) -> dict[str, Path]:
    """What every checkpoint answered; one and the same model stands for all three."""
    inputs = {"heldout_benchmark": heldout}
    for checkpoint in CHECKPOINTS:
        asked = {f"world_model_{checkpoint}": base, "heldout_benchmark": heldout, "trajectory_splits": splits}
        answering = stage(f"{checkpoint}_answers", asked)
        answering.options["checkpoint"] = checkpoint
        answers.work(answering)
        inputs[f"{checkpoint}_answers"] = answering.out
    return inputs


def test_everybody_asked_stands_on_the_board(stage, answered: dict[str, Path]) -> None:
    with serving(lambda request, before: Said("~$")) as server:
        settings = with_endpoint(server.url)
        asking = stage("endpoint_answers", answered, benchmark=settings)
        asked = endpoint_answers.work(asking)
    inputs = {**answered, "endpoint_answers": asking.out}
    judging = stage("judged_answers", inputs, benchmark=settings)
    judged = judged_answers.work(judging)
    ranking = stage("leaderboard", {**inputs, "judged_answers": judging.out}, benchmark=settings)
    leaderboard.work(ranking)
    board = json.loads((ranking.out / "leaderboard.json").read_text())
    places = {(row["model"], row["mode"]): row for row in board["entries"]}
    modes = {(name, mode) for name in CHECKPOINTS for mode in ("ledger", "history")}
    assert set(places) == {("copy", "history"), ("org/one", "endpoint"), *modes}
    assert asked["models"]["org/one"]["failed"] == 0
    asking.meter.record()
    used, calls = asking.meter.total(), asked["models"]["org/one"]["answers"]
    assert (used.prompt_tokens, used.completion_tokens, used.tokens) == (3 * calls, 2 * calls, 5 * calls)
    assert judged["judged"] == 6 * len(places)
    assert all(row["checks"]["error"]["n"] == 4 for row in places.values())
    assert "GPT-5.4" in (ranking.out / "leaderboard.md").read_text()
    assert (ranking.out / "leaderboard.png").stat().st_size > 3000


def test_lost_calls_of_one_endpoint_do_not_hide_behind_the_others(stage, answered: dict[str, Path]) -> None:
    """Two of six calls are refused for good; unusable answers of our own checkpoints are answers, and not lost."""
    with serving(lambda request, before: Said("no", status=422) if before < 2 else Said("~$")) as server:
        settings = with_endpoint(server.url)
        asking = stage("endpoint_answers", answered, benchmark=settings)
        endpoint_answers.work(asking)
    judging = stage("judged_answers", {**answered, "endpoint_answers": asking.out}, benchmark=settings)
    judged = judged_answers.work(judging)
    lost = pl.read_parquet(judging.out / "judged.parquet").filter("lost")
    assert set(lost["mode"]) == {"endpoint"}
    assert judged["most_lost_share"] == pytest.approx(2 / 6)


def test_damaged_answers_are_named_with_the_remedy(stage, answered: dict[str, Path], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "answers.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(StoreError, match=r"cannot use .*damaged/answers.parquet.*run the stage that makes it again"):
        judged_answers.work(stage("judged_answers", {**answered, "sft_answers": damaged}))


def test_the_board_scores_what_bench_score_scores(stage, answered: dict[str, Path]) -> None:
    inputs = {**answered, "endpoint_answers": answered["heldout_benchmark"]}
    judging = stage("judged_answers", inputs)
    judged_answers.work(judging)
    rows = pl.read_parquet(judging.out / "judged.parquet").filter(model="copy")
    audited = [json.loads(line)["clean"] for line in (answered["heldout_benchmark"] / "audit.jsonl").open()]
    assert rows["clean"].to_list() == audited
    file = sound(read_judged(judging.out / "copy-history" / "judged-rules" / "judged.jsonl"))
    assert strict_scores(file, Resampling(10, 0), 1.0)["overall"] == pytest.approx(rows["score"].mean())


def test_an_endpoint_that_is_not_there_is_one_clear_error(stage, answered: dict[str, Path]) -> None:
    with pytest.raises(EndpointError, match=r"org/one at \S+: no connection"):
        endpoint_answers.work(stage("asking", answered, benchmark=with_endpoint("http://127.0.0.1:9/v1")))


def test_without_endpoints_nobody_is_asked(stage, answered: dict[str, Path]) -> None:
    assert endpoint_answers.work(stage("asking", answered)) == {"endpoints": 0, "models": {}}


def test_the_judge_is_tried_on_the_benchmarks_samples(stage, heldout: Path) -> None:
    trying = stage("judge_trial", {"heldout_benchmark": heldout})
    metrics = judge_trial.work(trying)
    found = json.loads((trying.out / "trial.json").read_text())
    assert metrics["failed_claims"] == 0
    assert {each["name"] for each in found["verdicts"]} >= {"gold_answers_score_the_maximum", "praise_earns_nothing"}
    assert found["judge"] == "rules"


def test_an_llm_judge_is_asked_where_the_preset_names_one(stage, heldout: Path) -> None:
    scores = '{"reasons": "all is well", "format": 5, "factuality": 5, "consistency": 5, "realism": 5, "quality": 5}'
    with serving(lambda request, before: Said(scores)) as server:
        judge = with_endpoint(server.url).endpoints[0].model_copy(update={"model": "lenient"})
        settings = small_preset().benchmark.model_copy(update={"judge": judge})
        trying = stage("judge_trial", {"heldout_benchmark": heldout}, benchmark=settings)
        judge_trial.work(trying)
    trying.meter.record()
    assert trying.meter.total().completion_tokens == 2 * len(server.asked) > 0
    verdicts = json.loads((trying.out / "trial.json").read_text())["verdicts"]
    failed = {each["name"] for each in verdicts if not each["holds"]}
    assert "planted_errors_cost_points" in failed
    assert "gold_answers_score_the_maximum" not in failed
