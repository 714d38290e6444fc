#!/usr/bin/env bash
# Tests redis-sockmap in a VM, as root, with streams of bytes (vm.py) and with a real Redis; prints TAP.
# STOPPED_MIB: if set, only the tests of readers that have stopped, with this much data for each instead of 256 MiB. Redis holds it,
# and some more, in memory.
# shellcheck disable=SC2317,SC2329 # functions are called by name, through check
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=bpf/common/tap.sh
. ./tap.sh
loader=/opt/disgrafs/extensions/redis-sockmap/bin/redis-sockmap
pins=/sys/fs/bpf/disgrafs/redis-sockmap
group=/sys/fs/cgroup/redis-sockmap-test
port=6400
# At least 200: a test fails if more than 128 MiB are accepted.
stopped_mib=${STOPPED_MIB:-256}
work=$(mktemp -d)
running=()
cleanup() {
  kill -9 "${running[@]}" 2>/dev/null
  sleep 0.5
  "$loader" --remove
  rmdir "$group"
  rm -rf "$work"
}
trap 'cleanup 2>/dev/null || true' EXIT
mkdir -p "$group"

# inside COMMAND...: runs a command in the cgroup.
inside() {
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    "$@"
  )
}
run() {
  "$loader" --cgroup "$group" --port "$port" --json >"$work/report" 2>"$work/errors" &
  loader_pid=$!
  running+=("$loader_pid")
  wait_for 60 bash -c "bpftool cgroup show '$group' | grep -q rs_established"
}
stop() {
  kill "$loader_pid"
  wait "$loader_pid"
}
# count NAME: prints one of the extension's counters.
count() { bpftool -j map lookup pinned "$pins/rs_counts" key 0 0 0 0 | jq ".formatted.value.$1 // .value.$1"; }

# around NAME COMMAND...: runs the command, which must succeed, and reads the counter before and after it.
around() {
  local name=$1
  before=$(count "$name")
  shift
  "$@"
  after=$(count "$name")
  echo "$name: $before -> $after"
}
# moved NAME COMMAND...: the command increases the counter.
moved() {
  around "$@"
  [ "$after" -gt "$before" ]
}
# still NAME COMMAND...: the command does not change the counter.
still() {
  around "$@"
  [ "$after" -eq "$before" ]
}
streams() { timeout 1500 python3 vm.py "$@" | tee -a "$work/streams"; }
# readers: prints the keys of rs_readers, a line of hexadecimal bytes for each.
readers() { bpftool -j map dump pinned "$pins/rs_readers" | jq -r '.[].key | join(" ")'; }
no_readers() { [ -z "$(readers)" ]; }

preflight() {
  "$loader" --preflight --cgroup "$group" --port "$port" | tee "$work/answer"
  jq -e .supported "$work/answer"
}
no_cgroup() {
  "$loader" --preflight --cgroup /sys/fs/cgroup/absent | tee "$work/answer"
  jq -e '.supported == false and (.reason | startswith("/sys/fs/cgroup/absent: "))' "$work/answer"
}
# No data of a TLS connection is redirected, not even after the handshake.
tls() {
  moved tls inside streams "$port" 127.0.0.1 tls
  still redirected inside streams "$port" 127.0.0.1 tls
}
listening() { [ -n "$(ss -Hltn "sport = :$port")" ]; }
one_end_outside() {
  (
    exec 8< <(inside timeout 200 nc -l 127.0.0.1 "$port")
    wait_for 60 listening
    before=$(count redirected)
    echo hello | timeout 60 nc -N 127.0.0.1 "$port"
    read -r line <&8
    [ "$line" = hello ]
    [ "$(count redirected)" -eq "$before" ]
  )
}

# The limit of unread data cannot be checked without a reader's entry: then TCP, which has its own, carries the rest.
forgotten() {
  mkfifo "$work/fifo.forgotten"
  inside timeout 1500 python3 vm.py "$port" 127.0.0.1 forgotten "$stopped_mib" <"$work/fifo.forgotten" >"$work/forgotten" 2>&1 &
  local reader=$! key
  exec 9>"$work/fifo.forgotten"
  wait_for 60 grep -q started "$work/forgotten"
  while read -r key; do
    # shellcheck disable=SC2086 # words
    bpftool map delete pinned "$pins/rs_readers" key hex ${key//0x/}
  done < <(readers)
  no_readers
  exec 9>&-
  wait "$reader" || {
    cat "$work/forgotten"
    return 1
  }
  cat "$work/forgotten"
}
closed_are_forgotten() {
  moved sockets inside streams "$port" 127.0.0.1 half-close
  wait_for 60 no_readers
}

redis() {
  inside redis-server --port "$port" --bind 127.0.0.1 --save '' --daemonize no >/dev/null &
  running+=($!)
  wait_for 60 redis-cli -p "$port" ping
}
# A value of 1 MB, which comes back unchanged, and a pipeline of 200 commands.
redis_values() {
  head -c 750000 /dev/urandom | base64 -w 0 >"$work/value"
  inside redis-cli -p "$port" -x set big <"$work/value"
  inside redis-cli -p "$port" --raw get big | head -c -1 | cmp - "$work/value"
  for i in $(seq 200); do echo "set k$i $i"; done | inside redis-cli -p "$port" --pipe | tee "$work/pipe"
  grep "errors: 0, replies: 200" "$work/pipe"
  [ "$(inside redis-cli -p "$port" get k200)" = 200 ]
}

# survives end|kill: a stream continues after the loader was stopped, or killed and cleaned up.
survives() {
  run
  mkfifo "$work/fifo.$1"
  inside timeout 200 python3 vm.py "$port" 127.0.0.1 stream <"$work/fifo.$1" >"$work/stream" 2>"$work/stream.err" &
  local stream=$!
  exec 9>"$work/fifo.$1"
  wait_for 60 grep -q started "$work/stream"
  before=$(count redirected)
  wait_for 60 more_redirected
  if [ "$1" = end ]; then
    stop
  else
    kill -9 "$loader_pid"
    wait "$loader_pid" 2>/dev/null || true
    "$loader" --remove
  fi
  nothing_left "$loader"
  # Now TCP carries the stream.
  rounds=$(wc -l <"$work/stream")
  wait_for 60 more_rounds
  exec 9>&-
  wait "$stream" || {
    cat "$work/stream.err"
    return 1
  }
  tail -n 1 "$work/stream"
}

more_redirected() { [ "$(count redirected)" -gt "$before" ]; }
more_rounds() { [ "$(wc -l <"$work/stream")" -gt $((rounds + 2)) ]; }

# Removal would lose unread bytes: the loader waits, then fails with an error and keeps them. Later, --remove succeeds.
unread_is_kept() {
  run
  mkfifo "$work/fifo.unread"
  inside timeout 200 python3 vm.py "$port" 127.0.0.1 unread <"$work/fifo.unread" >"$work/unread" 2>&1 &
  local reader=$!
  exec 9>"$work/fifo.unread"
  wait_for 60 grep -q started "$work/unread"
  refuses stop
  cat "$work/errors"
  grep "1 connections have unread messages" "$work/errors"
  exec 9>&-
  wait "$reader"
  "$loader" --remove
  nothing_left "$loader"
}

killed() {
  killed_at_every_step "${KILL_STRIDE:-15}" 3 "$loader" --cgroup "$group" --port "$port" -d 1
  [ -z "$(bpftool cgroup show "$group")" ]
}

stopped_readers() {
  run
  check "a stopped reader makes the sender wait, and gets all data later" moved full inside streams "$port" 127.0.0.1 stopped "$stopped_mib"
  check "a reader whose entry is gone makes the sender wait, too" moved gone forgotten
  redis
  check "Redis: a long reply to a stopped reader waits in Redis, and arrives later" moved full inside streams "$port" 127.0.0.1 redis-reply "$stopped_mib"
  note "readers that have stopped: $(grep -h MiB "$work/streams" "$work/forgotten" | paste -sd ';')"
  end_redis
  stop
}
end_redis() {
  redis-cli -p "$port" shutdown nosave || true
  wait_for 60 refuses redis-cli -p "$port" ping
}

stopped_readers
[ -z "${STOPPED_MIB:-}" ] || done_testing
check "preflight reports support" preflight
check "preflight names a missing cgroup" no_cgroup
run
check "pipelining: data in both directions at once is unchanged" moved redirected inside streams "$port" 127.0.0.1 pipelining
check "a value of 32 MiB is unchanged" moved redirected inside streams "$port" 127.0.0.1 large
check "closed connections leave no entry" closed_are_forgotten
check "half-close: the rest of the data arrives, then the end; the other direction still works" moved redirected inside streams "$port" 127.0.0.1 half-close
check "IPv6: data in both directions is unchanged" moved redirected inside streams "$port" ::1 pipelining
check "TLS is left to TCP" tls
check "connections to another port are not added" still sockets inside streams "$((port + 1))" 127.0.0.1 half-close
check "connections of another cgroup are not added" still sockets streams "$port" 127.0.0.1 half-close
check "a connection with one end in the cgroup is not redirected" one_end_outside
redis
check "Redis: a large value and a pipeline are redirected and unchanged" moved redirected redis_values
end_redis
stop
check "a stream survives when the loader is stopped, and nothing is left" survives end
check "a stream survives kill -9 and --remove, and nothing is left" survives kill
check "unread bytes are kept until they are read" unread_is_kept
check "killed at every step: nothing is left" killed
done_testing
