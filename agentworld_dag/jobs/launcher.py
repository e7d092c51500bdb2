"""Starts runs as Dagster does by default, and can tell whether a started run is still being executed.

Without that, a run whose process died together with its code server would
count as running for ever, and keep its slots and its place among the runs.
Resuming a run is left out: Dagster's automatic retry is a new run, which goes
on where the lost one stopped.
"""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData

from agentworld_dag.jobs.run_process import process_of

RUNNING = CheckRunHealthResult(WorkerStatus.RUNNING)


class LocalRunLauncher(dg.DefaultRunLauncher):
    """Runs as processes of this machine. Dagster's run monitoring asks it about every started run."""

    def __init__(self, lost_after_s: int, inst_data: ConfigurableClassData | None = None):
        """`lost_after_s`: how long a process must have been gone; by then its code server should be back."""
        super().__init__(inst_data)
        self._lost_after_s = lost_after_s
        self._gone_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"lost_after_s": dg.Field(int)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> "LocalRunLauncher":
        return cls(inst_data=inst_data, **config_value)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """FAILED once the process is gone for good. What is not known to be gone, is running."""
        process = process_of(self._instance, run.run_id)
        if process is None or process.is_alive():
            self._gone_since.pop(run.run_id, None)
            return RUNNING
        gone_since = self._gone_since.setdefault(run.run_id, time.monotonic())
        if time.monotonic() - gone_since < self._lost_after_s:
            return RUNNING
        del self._gone_since[run.run_id]
        return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {process.pid} is gone")
