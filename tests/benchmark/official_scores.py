"""Makes `official_scores.json`: what the official script prints for `judged_rows()`.

git clone https://github.com/QwenLM/Qwen-AgentWorld CLONE && git -C CLONE checkout cd0aa83
.venv/bin/python -m tests.benchmark.official_scores CLONE
"""

import contextlib
import importlib
import io
import json
import re
import sys
import types
from pathlib import Path
from typing import Any

from tests.benchmark.judged_rows import judged_rows

DOMAIN = re.compile(r"--- (\w+) \((\d+)/\d+ valid, (\d+) failed\)")
SCORE = re.compile(r"\s+(\w+): (-?[\d.]+)$")


def printed(clone: Path) -> str:
    """The script's own words. It imports an API client that scoring never calls."""
    sys.modules.setdefault("openai", types.SimpleNamespace(OpenAI=None))  # type: ignore[arg-type]
    sys.path.insert(0, str(clone / "eval"))
    with contextlib.redirect_stdout(io.StringIO()) as told:
        importlib.import_module("eval").aggregate_scores(judged_rows())
    return told.getvalue()


def parsed(told: str) -> dict[str, Any]:
    """Numbers as they were printed, by domain."""
    domains: dict[str, dict[str, Any]] = {}
    for line in told.splitlines():
        if head := DOMAIN.match(line):
            domains[head[1].lower()] = {"valid": int(head[2]), "failed": int(head[3])}
        elif score := SCORE.match(line):
            domains[list(domains)[-1]][score[1]] = score[2]
    overall = re.search(r"^Overall: (.*)$", told, re.MULTILINE)
    return {"domains": domains, "overall": overall[1] if overall else None}


if __name__ == "__main__":
    Path(__file__).with_suffix(".json").write_text(json.dumps(parsed(printed(Path(sys.argv[1]))), indent=1))
