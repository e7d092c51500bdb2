"""Declarative automation: reports follow their inputs. Off until a person turns it on in the UI."""

import dagster as dg

refresh_reports_on_new_inputs = dg.AutomationConditionSensorDefinition(
    "refresh_reports_on_new_inputs",
    target=dg.AssetSelection.assets("transfer_report", "round_report"),
    default_status=dg.DefaultSensorStatus.STOPPED,
    minimum_interval_seconds=30,
)
