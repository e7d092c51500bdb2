#!/usr/bin/env bash
# A throw-away PostgreSQL on loopback, for tests and rehearsals: a server of its own, with one database for Dagster's
# record and one for MLflow's. What it holds is gone when it stops. Debian's own cluster and service are left alone.
#
#   infra/postgres.sh install       the Debian package, without the server that it would start (also: make postgres)
#   infra/postgres.sh start DIR     prints the variables that name its databases, as NAME=VALUE lines
#   infra/postgres.sh stop DIR
set -euo pipefail

role=agentworld

programs() { # the folder of the newest PostgreSQL here; Debian keeps it off the PATH
  local found
  found=$(command -v initdb || find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort --version-sort | tail -n 1)
  [ -n "$found" ] && dirname "$(realpath "$found")"
}

install() {
  ! programs >/dev/null || return 0
  local as_root=() no_cluster=/etc/postgresql-common/createcluster.d/agentworld.conf
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  "${as_root[@]}" apt-get update --quiet --quiet
  "${as_root[@]}" mkdir -p "$(dirname "$no_cluster")"
  echo "create_main_cluster = false" | "${as_root[@]}" tee "$no_cluster" >/dev/null
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends \
    postgresql >/dev/null
  "${as_root[@]}" rm "$no_cluster"
}

start() {
  bin=$(programs) || { echo "no PostgreSQL: install it with infra/postgres.sh install (make postgres)" >&2; exit 1; }
  [ ! -e "$dir/data" ] || { echo "$dir is in use; infra/postgres.sh stop $dir first" >&2; exit 1; }
  mkdir -p "$dir"
  close_inherited
  port=$(free_port) password=$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')
  trap give_up EXIT
  make_data
  bring_up >"$dir/start.log" 2>&1
  trap - EXIT
  local server=postgresql+psycopg2://$role:$password@127.0.0.1:$port
  printf '%s\n' "AGENTWORLD_DATABASE=$server/dagster" "MLFLOW_BACKEND_STORE_URI=$server/mlflow"
}

close_inherited() { # or the server would hold the caller's locks, and pipes that somebody reads to their end
  local fd
  for fd in /proc/$$/fd/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ] && [ "$fd" -lt 255 ]; then eval "exec $fd>&-"; fi
  done
}

free_port() {
  python3 -c 'import socket; found = socket.create_server(("127.0.0.1", 0)); print(found.getsockname()[1])'
}

make_data() { # PostgreSQL refuses to be root, and another user may not be able to reach DIR
  if [ "$(id -u)" = 0 ]; then
    data=$(mktemp --directory /tmp/postgres-XXXXXX)
    chown "$(owner)": "$data"
    ln -s "$data" "$dir/data"
  else
    data=$dir/data
    mkdir --mode=700 "$data"
  fi
}

owner() { if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi; }

as_owner() { # within so many seconds
  local user drop=()
  user=$(stat --format=%U "$data")
  [ "$(id -u)" != 0 ] || drop=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
  (cd "$data" && timeout --kill-after=5 "$1" "${drop[@]}" "${@:2}")
}

bring_up() {
  as_owner 10 bash -c 'umask 077; cat >password' <<<"$password" # on a command line everybody could read it
  as_owner 120 "$bin/initdb" --pgdata=cluster --username="$role" --auth=scram-sha-256 --encoding=UTF8 --locale=C \
    --no-sync --pwfile=password
  cat >>"$data/cluster/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 200
fsync = off
CONF
  as_owner 60 "$bin/pg_ctl" start --wait --timeout=50 --pgdata=cluster --log=server.log
  for database in dagster mlflow; do
    PGPASSWORD=$password as_owner 30 "$bin/createdb" --host=127.0.0.1 --port="$port" --username="$role" "$database"
  done
}

give_up() {
  tail -n 5 "$dir/start.log" "$data/server.log" >&2 2>/dev/null || true
  stop
  echo "PostgreSQL did not start; see $dir/start.log" >&2
}

stop() {
  data=$(realpath --canonicalize-missing "$dir/data")
  end_by QUIT 100 || end_by KILL 50
  rm -rf "$data" "$dir/data"
}

end_by() { # signal, tenths of a second to wait; QUIT is a server's immediate shutdown
  local running
  for _ in $(seq "$2"); do
    running=$(processes)
    [ -n "$running" ] || return 0
    kill -s "$1" $running 2>/dev/null || true # once more each time: one that was forked meanwhile
    sleep 0.1
  done
  return 1
}

processes() { # all that run in the data folder: a server under way has no pid file yet
  local entry
  for entry in /proc/[0-9]*; do
    case "$(readlink "$entry/cwd")" in "$data" | "$data"/*) echo "${entry##*/}" ;; esac
  done
}

action=${1:-} dir=${2:+$(realpath -m "$2")}
case "$action:$dir" in
  install:) install ;;
  start:/*) start ;;
  stop:/*) stop ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
