"""How steps run: two at a time, each in a process forked from one that has Dagster loaded already."""

import dagster as dg

two_at_a_time = dg.multiprocess_executor.configured(
    {
        "max_concurrent": 2,
        "start_method": {"forkserver": {"preload_modules": ["agentworld_dag.jobs.step_process"]}},
    }
)
