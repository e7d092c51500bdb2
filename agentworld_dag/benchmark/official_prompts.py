"""The official judge prompts (its repository at cd0aa83), read from a clone: no word of them is kept here.

`prompts/{domain}/judge_system_prompt.txt` is sent as it is. The user message
is `JUDGE_USER_PROMPT` of the clone's code, which is parsed and not run. Our
message is the official one, character for character, while prediction and
truth hold no code fence. Where one does, both stand in a fence longer than any
run of backticks in either, and an earlier observation with a fence gets a
longer one around it: text cannot end a fence that is longer than all it holds,
so it cannot stand where the reference stands. JSON strings would keep the
boundary as well, at the price of showing the judge no line break in the answer
whose layout it has to judge.

The answer is the JSON object in the `<final_evaluation>` block that ends it. A
block that is quoted on the way there does not count, and nothing is repaired.
"""

import ast
import hashlib
import json
import re
import string
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from agentworld_dag.benchmark.judged import DOMAINS
from agentworld_dag.benchmark.prompts import JudgePrompts
from agentworld_dag.benchmark.samples import BenchSample, Message
from agentworld_dag.errors import ConfigError
from agentworld_dag.training.judge import Rubric, parse_rubric

SYSTEM_FILE = "judge_system_prompt.txt"
CODE = Path("eval") / "lwm_eval_utils" / "task_configs.py"
USER_PROMPT = "JUDGE_USER_PROMPT"
PLACEHOLDERS = {"context", "world_model_input", "predicted_observation", "ground_truth"}
DIAGNOSTICS = "World Model Output Diagnostics"
"""Evidence that three of the prompts tell the judge to use; the official script never sends it."""
_BACKTICKS = re.compile(r"`{3,}")
_FENCE = re.compile(r"^\s*(`{3}|~{3})", re.MULTILINE)
_FINAL = re.compile(r"<final_evaluation>((?:(?!<final_evaluation>).)*)</final_evaluation>\Z", re.DOTALL)
_JSON_BLOCK = re.compile(r"```(?:json)?\s*(\{.*\})\s*```|(\{.*\})", re.DOTALL)


def official_prompts(folder: Path, domains: Iterable[str]) -> JudgePrompts:
    """The prompts of the `prompts` folder of a clone, for samples of some domains.

    Raises ConfigError when a file is not there or not as at cd0aa83.
    """
    known = {domain: folder / domain / SYSTEM_FILE for domain in DOMAINS}
    systems = {name: _text(path) for name, path in known.items() if name in set(domains) or path.is_file()}
    template = _template(folder.resolve().parent / CODE)
    content = json.dumps([sorted(systems.items()), template])
    return JudgePrompts(
        f"prompts-{hashlib.sha256(content.encode()).hexdigest()[:12]}",
        partial(_messages, systems, template),
        final_scores,
        _warnings({name: systems[name] for name in sorted(set(domains))}),
    )


def final_scores(answer: str) -> Rubric:
    """The five integers of an answer in the official form. Raises ValueError unless each is one, from 1 to 5."""
    block = _FINAL.search(answer.strip())
    found = _JSON_BLOCK.fullmatch(block[1].strip()) if block else None
    if found is None:
        raise ValueError("expected an answer that ends in a <final_evaluation> block with a JSON object")
    scores = json.loads(found[1] or found[2]).get("scores")
    return parse_rubric(json.dumps(scores if isinstance(scores, dict) else {}))


def _text(path: Path) -> str:
    """Bytes as they are: a prompt's line ends are part of it."""
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        raise ConfigError(
            f"cannot read {path}: {reason}; --judge-prompts expects the `prompts` folder in a whole clone of the "
            "official repository"
        ) from error
    if not text.strip():
        raise ConfigError(f"{path} is empty; a judge without its prompt would score by rules of its own")
    return text


def _template(path: Path) -> str:
    try:
        template = _assigned(_text(path), USER_PROMPT)
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except (SyntaxError, ValueError, StopIteration) as error:
        raise ConfigError(f"{path} has no {USER_PROMPT} that can be read; check out commit cd0aa83") from error
    if names != PLACEHOLDERS:
        raise ConfigError(
            f"{path} has no {USER_PROMPT} with {', '.join(sorted(PLACEHOLDERS))}; check out commit cd0aa83"
        )
    return template


def _assigned(code: str, name: str) -> str:
    """A text that Python code gives a name, without running the code. Raises StopIteration, SyntaxError, ValueError."""
    assigned = (node for node in ast.parse(code).body if isinstance(node, ast.Assign))
    return str(ast.literal_eval(next(node.value for node in assigned if ast.unparse(node.targets[0]) == name)))


def _messages(
    systems: Mapping[str, str], template: str, sample: BenchSample, prediction: str, truth: str
) -> list[Message]:
    fence = _longer_fence(prediction, truth)
    past = zip(sample.actions[:-1], sample.observations[:-1], strict=True)
    history = "".join(f"{action}\n{_closed(observation)}\n\n" for action, observation in past)
    asked = template.format(
        context=f"# Context (Historical Interactions):\n\n{history}" if history else "",
        world_model_input=f"# Current Turn:\n\n{sample.actions[-1]}",
        predicted_observation=f"**World Model Output (Simulated):**\n{fence}\n{prediction}\n{fence}",
        ground_truth=f"**Ground Truth (Real Output):**\n{fence}\n{truth}\n{fence}",
    )
    return [{"role": "system", "content": systems[sample.domain]}, {"role": "user", "content": asked.strip()}]


def _closed(text: str) -> str:
    """An observation with a fence of its own, which may never end, within a longer one."""
    fence = _longer_fence(text)
    return f"{fence}\n{text}\n{fence}" if _FENCE.search(text) else text


def _longer_fence(*texts: str) -> str:
    return "`" * max(3, *(len(run) + 1 for text in texts for run in _BACKTICKS.findall(text)), 0)


def _warnings(systems: Mapping[str, str]) -> tuple[str, ...]:
    citing = [domain for domain, text in systems.items() if DIAGNOSTICS in text]
    if not citing:
        return ()
    return (
        f'the judge prompts of {", ".join(citing)} tell the judge to use "{DIAGNOSTICS}", which the official script '
        "never computes and nobody sends: the judge works without them",
    )
