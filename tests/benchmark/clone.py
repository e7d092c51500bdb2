"""A folder laid out as the official repository is at cd0aa83, with words of our own."""

from pathlib import Path

DOMAINS = ("mcp", "search", "terminal", "swe", "android", "web", "os")
GUI = ("android", "web", "os")
TEMPLATE = """{context}

{world_model_input}

{predicted_observation}

{ground_truth}

Judge it. Like this:
<final_evaluation>{{"scores": {{"format": 1}}}}</final_evaluation>"""


def write_clone(folder: Path, template: str = TEMPLATE) -> Path:
    """Returns its `prompts` folder."""
    for domain in DOMAINS:
        (folder / "prompts" / domain).mkdir(parents=True)
        cites = "Use World Model Output Diagnostics as evidence.\n" * (domain in GUI)
        prompt = f"Judge of {domain}.\r\nKeys are written \\n and \x1b[A.\n{cites}"
        (folder / "prompts" / domain / "judge_system_prompt.txt").write_bytes(prompt.encode())
    code = folder / "eval" / "lwm_eval_utils"
    code.mkdir(parents=True)
    (code / "task_configs.py").write_text(f"raise SystemExit('run')\nOTHER = 1\nJUDGE_USER_PROMPT = {template!r}\n")
    return folder / "prompts"
