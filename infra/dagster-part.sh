#!/usr/bin/env bash
# Runs one of Dagster's processes over the instance in DAGSTER_HOME, whose settings it writes there first.
set -euo pipefail
here=$(dirname "$0")

mkdir -p "$DAGSTER_HOME"
settings=("$here/dagster.yaml")
[ -z "${AGENTWORLD_DATABASE:-}" ] || settings+=("$here/dagster-postgres.yaml")
beside=$(mktemp "$DAGSTER_HOME/dagster.yaml.XXXXXX") # several parts start at once
cat "${settings[@]}" > "$beside"
mv "$beside" "$DAGSTER_HOME/dagster.yaml"
exec "$@"
