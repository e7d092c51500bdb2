"""Partitions: a round is one turn of the loop. Domains join as a second axis when there is a second one."""

import dagster as dg

rounds = dg.DynamicPartitionsDefinition(name="rounds")
