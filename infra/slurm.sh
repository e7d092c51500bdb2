#!/usr/bin/env bash
# A real Slurm on this machine, on loopback only, with everything it writes in one folder. For trying and testing the
# launcher.
#
#   infra/slurm.sh install            slurmctld, slurmd, slurm-client and munge, by apt where that needs no password
#   infra/slurm.sh start DIR [NODES]  prints nothing when it is up; then: export SLURM_CONF=DIR/slurm.conf
#   infra/slurm.sh stop DIR           cancels what runs, and ends its daemons
#
# Each node, one unless told, counts all processors and memory of this machine as its own.
# What is submitted to the partition `urgent` pre-empts what runs in `work`, on the same node. Several of these run side by
# side: cgroups are called after the node, which has a name of its own, or one Slurm would kill another's jobs. Memory
# limits are enforced where cgroups of version 1 can be written; elsewhere a job may take more than it asked for. No
# accounting.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

packages=(slurmctld slurmd slurm-client munge)

installed() {
  local program
  for program in sbatch slurmctld slurmd munged; do command -v "$program" >/dev/null || return 1; done
}

install_packages() {
  installed && return
  local as_root=(sudo -n)
  [ "$(id -u)" = 0 ] && as_root=()
  if ! command -v apt-get >/dev/null || ! {
    "${as_root[@]}" apt-get update --quiet --quiet &&
      "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --quiet --quiet --yes --no-install-recommends "${packages[@]}"
  } >/dev/null; then
    echo "cannot install from here: sudo apt-get install ${packages[*]}   (Debian, Ubuntu)" >&2
    exit 1
  fi
}

free_port() {
  python3 -c 'import socket; found = socket.socket(); found.bind(("127.0.0.1", 0)); print(found.getsockname()[1])'
}

limits_memory() { [ "$(id -u)" = 0 ] && [ -w /sys/fs/cgroup/memory ] && [ -w /sys/fs/cgroup/freezer ]; }

write_configuration() {
  local user processes tasks size port
  user=$(id -un)
  processes=proctrack/linuxproc tasks=task/none
  if limits_memory; then processes=proctrack/cgroup tasks=task/cgroup; fi
  # Not nproc: it believes OMP_NUM_THREADS.
  size="CPUs=$(getconf _NPROCESSORS_ONLN) RealMemory=$(awk '/^MemTotal/ { print int($2 / 1024 * 0.9) }' /proc/meminfo)"
  cat >"$dir/slurm.conf" <<TEXT
ClusterName=agentworld
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$(free_port)
CommunicationParameters=NoAddrCache,NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
SlurmUser=$user
SlurmdUser=$user
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.%n.log
ProctrackType=$processes
TaskPlugin=$tasks
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
ReturnToService=2
KillWait=10
MpiDefault=none
PartitionName=work Nodes=ALL Default=YES PriorityTier=1 GraceTime=10
PartitionName=urgent Nodes=ALL PriorityTier=2
TEXT
  for _ in $(seq "$nodes"); do
    port=$(free_port)
    echo "NodeName=node$port NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$port $size State=UNKNOWN"
  done >>"$dir/slurm.conf"
  cat >"$dir/cgroup.conf" <<TEXT
CgroupPlugin=cgroup/v1
ConstrainRAMSpace=yes
ConstrainSwapSpace=yes
TEXT
}

start() {
  local node
  mkdir -p "$dir/state" "$dir/spool"
  write_configuration
  (umask 077 && head -c 1024 /dev/urandom >"$dir/munge.key")
  munged --force --socket="$dir/munge.socket" --key-file="$dir/munge.key" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munged.log" --seed-file="$dir/munged.seed"
  export SLURM_CONF=$dir/slurm.conf
  trap give_up EXIT
  slurmctld -c
  for node in $(sed -n 's/^NodeName=\([^ ]*\) .*/\1/p' "$SLURM_CONF"); do slurmd -c -N "$node"; done
  for _ in $(seq 100); do
    [ "$(sinfo --noheader --partition=work --format='%t %D' 2>/dev/null)" = "idle $nodes" ] && { trap - EXIT; return; }
    sleep 0.2
  done
  echo "$nodes idle nodes wanted, found $(sinfo --noheader --partition=work --format='%t %D' 2>&1) after 20 s, see $dir/*.log" >&2
  exit 1
}

give_up() {
  tail -n 5 "$dir"/slurm*.log >&2 || true
  stop
}

stop() {
  local pid_file
  export SLURM_CONF=$dir/slurm.conf
  timeout 20 scancel --me --quiet 2>/dev/null || true
  for _ in $(seq 100); do
    [ -z "$(timeout 5 squeue --noheader 2>/dev/null)" ] && break
    sleep 0.2
  done
  for pid_file in "$dir"/slurmd.*.pid "$dir"/{slurmctld,munged}.pid; do end "$pid_file"; done
}

end() { # the daemon whose id is in the file, and waits for it
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  is_ours "$pid" || return 0
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 100); do
    is_ours "$pid" || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

is_ours() { # a file outlives its daemon that was killed, and another process may have the id by now
  local found=(grep --quiet --no-messages --null-data --fixed-strings)
  "${found[@]}" "$dir/" "/proc/$1/cmdline" ||
    "${found[@]}" --line-regexp "SLURM_CONF=$dir/slurm.conf" "/proc/$1/environ"
}

case ${1:-} in
  install) install_packages ;;
  start | stop)
    installed || { echo "no Slurm here: infra/slurm.sh install" >&2; exit 1; }
    dir=$(realpath --canonicalize-missing "${2:?the folder of this Slurm}") nodes=${3:-1}
    "$1" ;;
  *) sed -n '5,7p' "$0" >&2; exit 2 ;;
esac
