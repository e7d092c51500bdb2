"""How often the sensors look, in one place."""

import os

SENSOR_EVERY_S = int(os.environ.get("AGENTWORLD_SENSOR_EVERY_S", "30"))
