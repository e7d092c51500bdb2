"""The terminal's view of a run: one line per message of a stage, nothing of the machinery."""

import logging
import sys
from typing import Any

import dagster as dg


class StepLine(logging.Formatter):
    """`12:30:01 world_model_cpt: message`"""

    def format(self, record: logging.LogRecord) -> str:
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        message = meta.get("orig_message") or record.getMessage()
        return f"{self.formatTime(record, '%H:%M:%S')} {meta.get('step_key') or 'run'}: {message}"


def is_of_a_stage(record: logging.LogRecord) -> bool:
    """Whether a stage or an asset said it, rather than the pipe between them."""
    return not record.getMessage().rpartition(" - ")[2].startswith("[pipes]")


@dg.logger
def console(_context: dg.InitLoggerContext) -> logging.Logger:
    """One line per message of a stage."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(StepLine())
    logger = logging.Logger("agentworld_dag", level=logging.INFO)
    logger.addHandler(handler)
    logger.addFilter(is_of_a_stage)
    return logger
