#!/usr/bin/env bash
# A real S3 server on loopback to try the lake on: Ceph's gateway over one store in memory, for tests and rehearsals.
# What it holds is gone when it stops.
#
#   infra/ceph.sh install       the Debian packages (also: make s3)
#   infra/ceph.sh start DIR     prints the variables that name it and its bucket, as NAME=VALUE lines
#   infra/ceph.sh stop DIR
set -euo pipefail

bucket=lake
needed=(ceph-mon ceph-osd radosgw ceph-common)

missing() { # the first program that is not here; `command -v` of several succeeds if there is one of them
  for program in ceph-mon ceph-osd radosgw radosgw-admin ceph; do
    command -v "$program" >/dev/null || { echo "$program"; return; }
  done
}

install() {
  [ -n "$(missing)" ] || return 0
  if [ "$(id -u)" = 0 ]; then as_root=(); else as_root=(sudo -n); fi
  "${as_root[@]}" apt-get update --quiet --quiet
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends \
    "${needed[@]}" >/dev/null
}

free_ports() { # as many as asked for, all different
  python3 -c '
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(each.getsockname()[1] for each in held))' "$1"
}

write_conf() {
  local ports
  read -r -a ports < <(free_ports 3)
  mon="[v2:127.0.0.1:${ports[0]},v1:127.0.0.1:${ports[1]}]" gateway=127.0.0.1:${ports[2]}
  # Without keys among its own daemons: whoever can reach the ports of this machine's loopback can read the store.
  cat >"$conf" <<CONF
[global]
fsid = $fsid
mon host = $mon
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
osd objectstore = memstore
memstore device bytes = 8589934592
osd pool default size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data = $dir/mon
osd data = $dir/osd
rgw data = $dir/rgw
rgw frontends = beast endpoint=$gateway
log file = $dir/\$name.log
pid file = $dir/\$name.pid
admin socket =
CONF
}

start() {
  [ -z "$(missing)" ] || { echo "no $(missing): install it with infra/ceph.sh install (make s3)" >&2; exit 1; }
  [ ! -e "$conf" ] || { echo "$dir is in use; infra/ceph.sh stop $dir first" >&2; exit 1; }
  mkdir -p "$dir"/{mon,osd,rgw}
  close_inherited
  fsid=$(python3 -c 'import uuid; print(uuid.uuid4())')
  write_conf
  trap give_up EXIT
  bring_up >"$dir/start.log" 2>&1
  trap - EXIT
  printf '%s\n' "AWS_ENDPOINT_URL=http://$gateway" AWS_REGION=us-east-1 "AWS_ACCESS_KEY_ID=$key" \
    "AWS_SECRET_ACCESS_KEY=$secret" "AGENTWORLD_LAKE=s3://$bucket"
}

close_inherited() { # or daemons would hold the caller's locks, and pipes that somebody reads to their end
  local fd
  for fd in /proc/$$/fd/*; do
    fd=${fd##*/}
    if [ "$fd" -gt 2 ] && [ "$fd" -lt 255 ]; then eval "exec $fd>&-"; fi
  done
}

bring_up() {
  within 60 monmaptool --create --addv a "$mon" --fsid "$fsid" "$dir/monmap"
  within 60 ceph-mon -c "$conf" --mkfs -i a --monmap "$dir/monmap"
  within 60 ceph-mon -c "$conf" -i a
  within 60 ceph -c "$conf" --connect-timeout 50 osd create "$fsid"
  within 60 ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$fsid"
  within 60 ceph-osd -c "$conf" -i 0
  make_user
  within 120 radosgw -c "$conf" -n client.rgw
  wait_for "$gateway"
  make_bucket
}

within() { # so many seconds: what Ceph asks of a part that is not there is waited for without end
  timeout --kill-after=5 "$@"
}

give_up() {
  tail -n 5 "$dir/start.log" >&2
  stop
  echo "did not start; the logs are in $dir" >&2
}

wait_for() {
  for _ in $(seq 300); do
    (: <"/dev/tcp/${1/://}") 2>/dev/null && return
    sleep 0.2
  done
  return 1
}

make_user() { # the gateway chooses the keys and prints them: given to it, everybody could read them on the command line
  local user
  user=$(within 120 radosgw-admin -c "$conf" user create --uid lake --display-name lake)
  read -r key secret < <(python3 -c '
import json, sys
[keys] = json.load(sys.stdin)["keys"]
print(keys["access_key"], keys["secret_key"])' <<<"$user")
}

make_bucket() { # signed the old way, which needs no library; the gateway still takes it
  KEY=$key SECRET=$secret python3 - "http://$gateway" "$bucket" <<'PYTHON'
import base64, hmac, os, sys, urllib.request
from email.utils import formatdate

server, bucket = sys.argv[1:]
date = formatdate(usegmt=True)
signed = hmac.digest(os.environ["SECRET"].encode(), f"PUT\n\n\n{date}\n/{bucket}".encode(), "sha1")
headers = {"Date": date, "Authorization": f"AWS {os.environ['KEY']}:{base64.b64encode(signed).decode()}"}
urllib.request.urlopen(urllib.request.Request(f"{server}/{bucket}", headers=headers, method="PUT"), timeout=30).close()
PYTHON
}

stop() { # nothing it holds is to be kept, so nothing is asked
  local pid
  for _ in $(seq 50); do
    [ -n "$(ours)" ] || break
    for pid in $(ours); do kill -KILL "$pid" 2>/dev/null || true; done
    sleep 0.1
  done
  rm -rf "$dir"/{mon,osd,rgw,monmap,ceph.conf} "$dir"/*.pid
}

ours() { # the processes that were started with our configuration; a pid file may not be written yet
  grep --files-with-matches --null-data --line-regexp --fixed-strings --file=<(printf '%s' "$conf") \
    /proc/[0-9]*/cmdline 2>/dev/null | cut --delimiter=/ --fields=3 || true
}

action=${1:-} dir=${2:+$(realpath -m "$2")}
conf=$dir/ceph.conf
case "$action:$dir" in
  install:) install ;;
  start:/*) start ;;
  stop:/*) stop ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
