#!/usr/bin/env bash
# Dagster and MLflow on loopback, over one home. What dies is started again; ctrl-C ends all.
set -euo pipefail
cd "$(dirname "$0")/.."

home=${AGENTWORLD_HOME:-$PWD/.agentworld}
dagster_port=${DAGSTER_PORT:-3000}
mlflow_port=${MLFLOW_PORT:-5000}

export AGENTWORLD_HOME=$home DAGSTER_HOME=$home/dagster
# MLflow would start five job runners that nothing here uses, and outlive it.
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
mkdir -p "$home/mlflow"
infra/dagster-part.sh dagster instance concurrency set gpu "${AGENTWORLD_GPU_SLOTS:-2}"

# A socket of this start alone: a code server that was told to stop stays until its runs have finished.
socket=$(mktemp -u "${TMPDIR:-/tmp}/agentworld-XXXXXX.sock")
workspace=$DAGSTER_HOME/workspace.yaml
printf 'load_from:\n  - grpc_server: {socket: "%s", location_name: agentworld_dag}\n' "$socket" > "$workspace"

keep() { # runs a command, again whenever it ends by itself
  local child
  trap 'kill -INT "$child"; wait "$child"; exit 0' TERM
  set -m # otherwise the command would ignore the interrupt
  while true; do
    "$@" &
    child=$!
    wait "$child" || true
    echo "ended, starting again in 5 s: $1" >&2
    sleep 5
  done
}

kept=()
trap 'kill "${kept[@]}" 2>/dev/null; wait "${kept[@]:1}"' EXIT # not for the code server
trap 'exit 0' INT TERM
set -m

keep dagster api grpc --module-name agentworld_dag.definitions --socket "$socket" &
kept+=($!)
keep mlflow server --host 127.0.0.1 --port "$mlflow_port" --workers 1 \
  --backend-store-uri "sqlite:///$home/mlflow/mlflow.db" --default-artifact-root "$home/mlflow/artifacts" &
kept+=($!)
until [ -S "$socket" ]; do sleep 1; done # the others read the definitions when they start
keep dagster-daemon run --workspace "$workspace" &
kept+=($!)
keep dagster-webserver --host 127.0.0.1 --port "$dagster_port" --workspace "$workspace" &
kept+=($!)
echo "Dagster: http://127.0.0.1:$dagster_port    MLflow: http://127.0.0.1:$mlflow_port"
wait
