#!/usr/bin/env bash
# The Dagster UI and the MLflow UI on loopback, over one home; ctrl-C ends both.
set -euo pipefail
cd "$(dirname "$0")/.."

home=${AGENTWORLD_HOME:-$PWD/.agentworld}
dagster_port=${DAGSTER_PORT:-3000}
mlflow_port=${MLFLOW_PORT:-5000}

export AGENTWORLD_HOME=$home DAGSTER_HOME=$home/dagster
# MLflow would start five job runners that nothing here uses, and outlive it.
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
mkdir -p "$DAGSTER_HOME" "$home/mlflow"
cp infra/dagster.yaml "$DAGSTER_HOME/dagster.yaml"

set -m # otherwise children would ignore the interrupt that `dagster dev` ends its own children with
trap 'kill -INT "$mlflow" "$dagster" 2>/dev/null; wait' EXIT
trap 'exit 0' INT TERM

mlflow server --host 127.0.0.1 --port "$mlflow_port" --workers 1 \
  --backend-store-uri "sqlite:///$home/mlflow/mlflow.db" --default-artifact-root "$home/mlflow/artifacts" &
mlflow=$!
dagster dev --host 127.0.0.1 --port "$dagster_port" &
dagster=$!
echo "Dagster: http://127.0.0.1:$dagster_port    MLflow: http://127.0.0.1:$mlflow_port"
wait -n
