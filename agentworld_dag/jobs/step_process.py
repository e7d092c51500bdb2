"""Preloaded into the process that forks Dagster's steps: makes forking quick, and ties their lives together.

A step costs a fork instead of an import of Dagster. The kernel ends the
forking process when the run's process dies, and each step when the forking
process dies, so `kill -9` of a run leaves no step and no stage behind.
"""

import os
import warnings

import dagster as dg

import agentworld_dag.definitions  # noqa: F401
from agentworld_dag.process import die_with_parent

for category in (dg.PreviewWarning, dg.BetaWarning):  # Dagster warns of its own internals, once per step
    warnings.filterwarnings("ignore", category=category)
die_with_parent()
os.register_at_fork(after_in_child=die_with_parent)
