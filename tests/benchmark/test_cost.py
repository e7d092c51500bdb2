import json
import logging
from pathlib import Path
from typing import Any

import pytest

from agentworld_dag.benchmark.cost import Prices, totals, used
from agentworld_dag.cli import main
from agentworld_dag.endpoints.client import Refusal, Reply
from agentworld_dag.errors import ConfigError
from tests.benchmark.test_run import arguments, honest, judged, scores
from tests.benchmark.test_samples import row, write
from tests.endpoints.scripted_server import Said, completion, serving

REPLY = Reply("x", "stop", 2_000_000, 500_000, 1.25)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder, "terminal", *(row(id=i, turn_idx=turn) for i in range(4) for turn in (1, 2, 3)))
    return folder


def predictions(data: Path) -> list[dict[str, Any]]:
    text = (data.parent / "out" / "predictions.jsonl").read_bytes()
    return [json.loads(line) for line in text.split(b"\n") if line]


def test_cost_is_tokens_times_price() -> None:
    assert used(REPLY, Prices(3.0, 10.0))["cost"] == 11.0
    assert used(REPLY, None) == {"prompt_tokens": 2_000_000, "completion_tokens": 500_000, "latency_s": 1.25}


def test_cost_without_token_counts_is_unknown_and_not_free() -> None:
    assert used(Reply("x", "stop", None, 3, 1.0), Prices(1.0, 1.0))["cost"] is None
    assert used(Refusal("HTTP 500", True), Prices(1.0, 1.0))["cost"] is None


@pytest.mark.parametrize("price", [-0.01, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(ConfigError, match="expected money for a million tokens, from 0"):
        Prices(1.0, price)


def test_every_row_of_a_run_holds_what_its_call_used_and_the_totals_add_up(data: Path, caplog) -> None:
    caplog.set_level(logging.INFO)
    refused = Said(status=400, body=b"too long")
    with (
        serving(lambda request, n: refused if n == 5 else honest(request, n)) as model,
        serving(lambda *_: Said(scores(3))) as judge,
    ):
        priced = ["--price-in", "1000000", "--price-out", "2000000"]
        asked = ["--judge-url", judge.url, "--judge", "j", "--judge-price-in", "1000", "--judge-price-out", "0"]
        assert main(arguments(data, model.url, *priced, *asked, "--error-budget", "1")) == 0
    assert {row["cost"] for row in predictions(data)} == {7.0, None}
    assert {row.get("cost") for row in judged(data, "j")} == {0.003, None}
    assert all(row["latency_s"] >= 0 for row in judged(data, "j") if not row["failed"])
    told = [record.getMessage() for record in caplog.records][-2:]
    assert told[0].startswith("predictions: 12 calls, 33 tokens in, 22 out, ")
    assert told[0].endswith(" s, cost 77.0000 and 1 calls of unknown cost; 1 of 12 failed: HTTP 400 (1)")
    assert told[1].startswith("judgements: 11 calls, 33 tokens in, 22 out, ")
    assert told[1].endswith(" s, cost 0.0330; 1 of 12 failed: no prediction (1)")


def test_an_empty_answer_is_paid_for(data: Path) -> None:
    with serving(lambda request, n: Said(body=completion("")) if n == 0 else honest(request, n)) as model:
        assert main(arguments(data, model.url, "--price-in", "0", "--price-out", "1000000", "--error-budget", "1")) == 0
    assert [row["cost"] for row in predictions(data) if row["failed"]] == [2.0]


def test_totals_come_even_where_there_is_no_score(data: Path, caplog) -> None:
    caplog.set_level(logging.INFO)
    with serving(honest) as model, serving(lambda *_: Said("fine work")) as judge:
        assert main(arguments(data, model.url, "--judge-url", judge.url, "--judge", "j")) == 1
    told = [record.getMessage() for record in caplog.records]
    assert any(text.endswith("12 of 12 failed: the judge gave no scores (12)") for text in told)


def test_causes_are_told_without_what_differs_from_row_to_row(tmp_path: Path) -> None:
    rows = [{"failed": 1.0, "error_message": f"HTTP 500: worker {n}"} for n in range(3)] + [{"failed": 0.0}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert totals(tmp_path / "rows.jsonl", "rows").endswith("3 of 4 failed: HTTP 500 (3)")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--price-in", "-1", "--price-out", "1"], "ConfigError: prices -1 in and 1 out"),
        (["--price-in", "1"], "ConfigError: --price-in and --price-out belong together"),
        (["--judge-price-in", "1", "--judge-price-out", "1"], "ConfigError: --judge-price-in needs --judge"),
    ],
)
def test_unusable_prices_are_one_error_before_any_call(data: Path, caplog, more: list[str], told: str) -> None:
    with serving(honest) as server:
        assert main(arguments(data, server.url, *more)) == 1
    assert told in caplog.text
    assert server.asked == []
