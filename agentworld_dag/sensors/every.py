"""How often the sensors look and when the schedules ask, in one place.

All of them are off until a person turns them on in the UI. These settings come
from the environment of the code server, which is started again to change them.
"""

import os

import dagster as dg

from agentworld_dag.errors import ConfigError


def seconds(name: str, default: int) -> int:
    """A period from the environment. Raises ConfigError."""
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{name}={text}: expected a whole number of seconds, 1 or more")
    return int(text)


def cron(name: str, default: str) -> str:
    """A cron line from the environment, meant in UTC. Raises ConfigError."""
    text = os.environ.get(name) or default
    try:
        dg.ScheduleDefinition(name="tried", cron_schedule=text, job_name="tried")
    except dg.DagsterInvalidDefinitionError as error:
        raise ConfigError(f"{name}={text}: expected a cron line of five fields, such as {default}") from error
    return text


SENSOR_EVERY_S = seconds("AGENTWORLD_SENSOR_EVERY_S", 30)
PROBE_CRON = cron("AGENTWORLD_PROBE_CRON", "0 1 * * *")
"""Nightly."""
RETRAIN_CRON = cron("AGENTWORLD_RETRAIN_CRON", "0 2 * * 0")
"""On Sundays, an hour after the night's probe has begun."""
