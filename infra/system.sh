#!/usr/bin/env bash
# System packages of the project: bubblewrap, the sandbox of the real shell.
# Installs it where that needs no password; explains otherwise. Never fails: a host with landlock can do without.
set -u

command -v bwrap >/dev/null && exit 0

if [ "$(id -u)" = 0 ]; then as_root=(); else as_root=(sudo -n); fi
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends bubblewrap)

if command -v apt-get >/dev/null; then
  "${install[@]}" >/dev/null 2>&1 && exit 0
  "${as_root[@]}" apt-get update --quiet --quiet >/dev/null 2>&1 && "${install[@]}" >/dev/null 2>&1 && exit 0
fi

cat >&2 <<'TEXT'
bubblewrap is not installed and could not be installed from here. Install it with
    sudo apt-get install bubblewrap        (Debian, Ubuntu; the package has this name elsewhere, too)
Going on without it: on a kernel with landlock the weaker sandbox is used, elsewhere the run stops and says so.
TEXT
