"""The terminal's view of a run: one line per message of a stage, nothing of the machinery."""

import logging
import sys
from typing import Any

import dagster as dg


class StepLine(logging.Formatter):
    """`12:30:01 world_model_cpt: message`"""

    def format(self, record: logging.LogRecord) -> str:
        step = _meta(record).get("step_key") or "run"
        return f"{self.formatTime(record, '%H:%M:%S')} {step}: {message(record)}"


def message(record: logging.LogRecord) -> str:
    """What was said, without Dagster's prefix of run and step."""
    return _meta(record).get("orig_message") or record.getMessage()


def is_of_a_stage(record: logging.LogRecord) -> bool:
    """Whether a stage or an asset said it, or a step failed; the rest is machinery, and is in the Dagster UI."""
    return not message(record).startswith(("[pipes]", "Dependencies for step"))


@dg.logger
def console(_context: dg.InitLoggerContext) -> logging.Logger:
    """One line per message of a stage."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(StepLine())
    logger = logging.Logger("agentworld_dag", level=logging.INFO)
    logger.addHandler(handler)
    logger.addFilter(is_of_a_stage)
    return logger


def _meta(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "dagster_meta", {})
