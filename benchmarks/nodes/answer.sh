#!/usr/bin/env bash
# On a node that serves the clients without being one: a socket on the private network that drops caches and reports load for the
# benchmark, so that a cold read is also cold at the object store, and this node's load is recorded. One process answers all
# requests of a connection and rarely starts another one, because the machine is in use.
# Usage: answer.sh ADDRESS PORT
set -euo pipefail
address=$1 port=$2

put /usr/local/lib/disgrafs/answer 0755 <<'SCRIPT' || true
#!/bin/bash
# Requests, one per line: sync, drop, look, facts. A response is lines of a name and values, followed by an empty line.
drops() { while read -r name value; do case $name in drop_pagecache | drop_slab) printf '%s %s\n' "$name" "$value" ;; esac; done </proc/vmstat; }
while read -r question; do
  case $question in
    drop)
      declare -A before=()
      while read -r name value; do before[$name]=$value; done < <(drops)
      sync
      echo 3 >/proc/sys/vm/drop_caches
      while read -r name value; do echo "$name ${before[$name]} $value"; done < <(drops)
      ;;
    sync) sync ;;
    look)
      cpus=0
      while read -r name values; do
        case $name in
          cpu) ticks=$values ;;
          cpu*) cpus=$((cpus + 1)) ;;
          *) break ;;
        esac
      done </proc/stat
      read -r load </proc/loadavg
      read -r boot </proc/sys/kernel/random/boot_id
      printf 'boot %s\ncpu %s\ncpus %s\nload %s\n' "$boot" "$ticks" "$cpus" "$load"
      ;;
    facts)
      printf 'boot %s\nkernel %s\ncpus %s\n' "$(</proc/sys/kernel/random/boot_id)" "$(uname -r)" "$(nproc)"
      printf 'virtualization %s\n' "$(systemd-detect-virt --vm || true)"
      sed -n 's/^model name[[:space:]]*: /cpu /p;T;q' /proc/cpuinfo
      ;;
    *) printf 'unknown %s\n' "$question" ;;
  esac
  echo
done
SCRIPT
put /etc/systemd/system/disgrafs-node@.service 0644 <<'UNIT' || true
[Unit]
Description=Answers the benchmark's questions about this node
[Service]
StandardInput=socket
StandardError=journal
ExecStart=/usr/local/lib/disgrafs/answer
UNIT
changed=no
put /etc/systemd/system/disgrafs-node.socket 0644 <<UNIT && changed=yes
[Unit]
Description=Answers the benchmark's questions about this node
[Socket]
ListenStream=$address:$port
FreeBind=yes
Accept=yes
MaxConnections=8
[Install]
WantedBy=sockets.target
UNIT
start_unit disgrafs-node.socket "$changed"
systemctl --quiet is-active disgrafs-node.socket
