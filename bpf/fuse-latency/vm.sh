#!/usr/bin/env bash
# Tests fuse-latency in a VM, as root; prints TAP. Needs tap.sh and testfs in the same folder, and the extension installed.
# shellcheck disable=SC2016,SC2317,SC2329 # functions are called by name, through check
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=bpf/common/tap.sh
. ./tap.sh
loader=/opt/disgrafs/extensions/fuse-latency/bin/fuse-latency
pins=/sys/fs/bpf/disgrafs/fuse-latency
work=$(mktemp -d)
mkdir "$work/mount" "$work/other"
trap 'umount "$work/mount" "$work/other" 2>/dev/null; kill "${running[@]}" 2>/dev/null; rm -rf "$work"' EXIT
running=()

preflight() {
  "$loader" --preflight "$@" | tee "$work/preflight"
  jq -e .supported "$work/preflight"
}

# run NAME OPTION...: starts the loader in the background, with JSON in $work/NAME, and returns when it is attached.
run() {
  local name=$1
  shift
  NOTIFY_SOCKET='' "$loader" --json "$@" >"$work/$name" 2>"$work/$name.err" &
  loader_pid=$!
  running+=("$loader_pid")
  wait_for 120 attached
}
# attached: each of the five programs has a link.
attached() {
  local programs
  programs=$("$loader" --status | jq -c '[.programs[].id]')
  bpftool -j link show | jq -e --argjson ours "$programs" '[.[] | select(.prog_id | IN($ours[]))] | length == 5'
}
stop() {
  kill "$loader_pid"
  wait "$loader_pid"
}

# at_once COUNT: so many callers of statfs. Threads, because processes may start further apart than the time of an answer.
at_once() {
  python3 - "$work/mount" "$1" <<'PYTHON'
import os, sys, threading

count = int(sys.argv[2])
barrier = threading.Barrier(count)
callers = [threading.Thread(target=lambda: (barrier.wait(), os.statvfs(sys.argv[1]))) for _ in range(count)]
for caller in callers:
    caller.start()
for caller in callers:
    caller.join()
PYTHON
}

# The file system caches nothing, so every call becomes requests. Its daemon sleeps 20 ms in GETATTR and 1 s in STATFS.
workload() {
  ./testfs "$work/mount" "$work/truth" 3=20000 17=1000000 &
  running+=($!)
  wait_for 60 mountpoint -q "$work/mount"
  local i
  for i in $(seq 20); do stat "$work/mount/f$i" >/dev/null; done
  for i in $(seq 5); do cat "$work/mount/f$i" >/dev/null; done
  for i in $(seq 3); do echo x | dd of="$work/mount/f$i" conv=notrunc status=none 2>/dev/null || true; done
  for i in $(seq 4); do refuses stat "$work/mount/absent" 2>/dev/null; done
  # Of three concurrent requests, two wait in the queue.
  at_once 3
  umount "$work/mount"
  wait_for 60 test -s "$work/truth"
}

# counts_are_exact NAME: compares with the daemon's counts. Requests without an answer (FORGET, INTERRUPT) are not counted.
counts_are_exact() {
  python3 - "$work/truth" "$work/$1" <<'PYTHON'
import json, sys

names = {1: "LOOKUP", 3: "GETATTR", 4: "SETATTR", 14: "OPEN", 15: "READ", 16: "WRITE", 17: "STATFS", 18: "RELEASE",
         22: "GETXATTR", 25: "FLUSH", 26: "INIT", 52: "STATX"}
truth = {names.get(int(k), k): v for k, v in json.load(open(sys.argv[1])).items() if k not in ("2", "42", "36", "38")}
report = json.loads(open(sys.argv[2]).readlines()[-1])
got = {s["opcode"]: s["count"] for s in report["series"] if s["opcode"] != "DESTROY"}
print("daemon:", truth, "extension:", got)
assert truth == got and report["lost"] == 0
for s in report["series"]:
    assert sum(s["queue"]["log2Ns"]) == s["count"], s
    assert sum(s["daemon"]["log2Ns"]) == s["count"] - s["unsent"], s
assert truth["LOOKUP"] >= 30 and truth["GETATTR"] >= 20 and truth["READ"] >= 5
PYTHON
}

times_are_where_they_were_spent() {
  python3 - "$work/$1" <<'PYTHON'
import json, sys

series = {s["opcode"]: s for s in json.loads(open(sys.argv[1]).readlines()[-1])["series"]}
# GETATTR takes at least 20 ms, which is in the slot above 2^24 ns (16.8 ms).
getattr = series["GETATTR"]["daemon"]["log2Ns"]
print("GETATTR, daemon:", getattr)
assert sum(getattr[:25]) == 0
# The daemon does not sleep in LOOKUP, so some answers take less; on a slow machine, others may take longer.
lookup = series["LOOKUP"]["daemon"]["log2Ns"]
print("LOOKUP, daemon:", lookup)
assert sum(lookup[:25]) > 0
# Of the three callers of STATFS, two waited for the previous one.
waited = sum(sum(s["queue"]["log2Ns"][29:]) for s in series.values())
print("waited over 268 ms in the queue:", waited)
assert waited >= 2
PYTHON
}

errors_are_counted() {
  jq -se '.[-1].series[] | select(.opcode == "LOOKUP") | .errors == 4' "$work/$1"
}

# killed_is_not_answered METHOD: the daemon sleeps in STATFS, so a second one waits in the queue, and its caller is killed there.
killed_is_not_answered() {
  ./testfs "$work/mount" "$work/truth" 17=3000000 &
  running+=($!)
  wait_for 60 mountpoint -q "$work/mount"
  run queued --method "$1"
  local waiting first second
  waiting=/sys/fs/fuse/connections/$(stat -c %d "$work/mount")/waiting
  stat -f "$work/mount" >/dev/null &
  first=$!
  wait_for 60 grep -qx 1 "$waiting"
  stat -f "$work/mount" >/dev/null &
  second=$!
  wait_for 60 grep -qx 2 "$waiting"
  kill -9 "$second"
  wait "$second" 2>/dev/null || true
  wait "$first"
  stop
  umount "$work/mount"
  tail -n 1 "$work/queued"
  jq -se '.[-1] | .answered == 0 and .lost == 0 and ([.series[] | select(.opcode == "STATFS").count] == [1])' "$work/queued"
}

# crowd METHOD: 24 callers wait at once. With kprobes, the kernel reserves room for the returns of 10, on up to five CPUs.
crowd() {
  ./testfs "$work/mount" "$work/truth" 17=250000 &
  running+=($!)
  wait_for 60 mountpoint -q "$work/mount"
  run crowd --method "$1"
  at_once 24
  stop
  umount "$work/mount"
  tail -n 1 "$work/crowd"
  jq -se '.[-1] | .answered == 0 and ([.series[] | select(.opcode == "STATFS").count] == [24])' "$work/crowd"
}
crowd_is_exact() {
  crowd fentry
  jq -se '.[-1].lost == 0' "$work/crowd"
}
missed_returns_are_lost() {
  crowd kprobe
  if linux_tells_missed; then
    jq -se '.[-1].lost >= 1' "$work/crowd"
  else
    jq -se '.[-1].lost == 0' "$work/crowd"
  fi
}
linux_tells_missed() { sort -VC <<<"6.7"$'\n'"$(uname -r)"; }

only_one_mount() {
  ./testfs "$work/other" "$work/other.truth" &
  running+=($!)
  ./testfs "$work/mount" "$work/truth" &
  running+=($!)
  wait_for 60 mountpoint -q "$work/mount"
  wait_for 60 mountpoint -q "$work/other"
  run one --mount "$work/mount"
  stat -f "$work/mount" "$work/other" >/dev/null
  stop
  umount "$work/mount" "$work/other"
  jq -e --arg mount "$work/mount" '.series | length == 1 and .[0].mount == $mount and .[0].opcode == "STATFS"' "$work/one"
}

prometheus_text() {
  ./testfs "$work/mount" "$work/truth" &
  running+=($!)
  wait_for 60 mountpoint -q "$work/mount"
  run text --interval 1 --prometheus "$work/prom"
  stat -f "$work/mount" >/dev/null
  wait_for 60 grep -q STATFS "$work/prom"
  stop
  umount "$work/mount"
  python3 - "$work/prom" <<'PYTHON'
import re, sys

last, ends, totals = {}, {}, {}
for line in open(sys.argv[1]):
    if line.startswith("#"):
        continue
    match = re.fullmatch(r'(\w+)(\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})? ([0-9.e+-]+)\n', line)
    assert match, line
    name, labels, value = match[1], match[2] or "", float(match[3])
    if name.endswith("_bucket"):
        series = re.sub(r',le="[^"]*"', "", labels)
        assert value >= last.get(series, 0), line
        last[series] = value
        if 'le="+Inf"' in labels:
            ends[series] = value
    elif name.endswith("_count"):
        totals[labels] = value
print(ends, totals)
assert ends == totals and ends and all(ends.values())
PYTHON
}

killed() {
  run killed
  kill -9 "$loader_pid"
  wait "$loader_pid" 2>/dev/null || true
  "$loader" --remove
  nothing_left "$loader"
}

second_instance() {
  run first
  refuses "$loader" >"$work/second" 2>&1
  stop
  grep "another instance is running" "$work/second"
}

pin_in_the_way() {
  mkdir -p "$pins"
  bpftool map create "$pins/fl_stats" type array key 4 value 4 entries 1 name foreign
  refuses "$loader" -d 1 >"$work/full" 2>&1
  cat "$work/full"
  grep "cannot pin $pins/fl_stats: File exists" "$work/full"
  nothing_left "$loader"
}

read_only_bpffs() {
  mount -o remount,ro /sys/fs/bpf
  refuses "$loader" -d 1 >"$work/full" 2>&1
  mount -o remount,rw /sys/fs/bpf
  cat "$work/full"
  grep "cannot create /sys/fs/bpf/disgrafs: Read-only file system" "$work/full"
  nothing_left "$loader"
}

without_btf() {
  unshare --mount bash -euo pipefail -c 'mount -t tmpfs none /sys/kernel/btf
    if "$1" -d 1; then exit 1; fi
    /opt/disgrafs/extensions/fuse-latency/scripts/preflight.sh fuse-latency . btf,bpffs' - "$loader" >"$work/btf" 2>&1
  cat "$work/btf"
  jq -e '.supported == false and .reason == "no /sys/kernel/btf/vmlinux"' <<<"$(tail -n 1 "$work/btf")"
  nothing_left "$loader"
}

check "preflight reports support" preflight
run fast
workload
stop
note "method: $(jq -r .how "$work/preflight")"
check "counts of every opcode equal the daemon's" counts_are_exact fast
check "time in the daemon and time in the queue are separate" times_are_where_they_were_spent fast
check "errors are counted" errors_are_counted fast
check "nothing is left after it ended" nothing_left "$loader"
run probes --method kprobe
workload
stop
check "with kprobes, counts equal the daemon's, too" counts_are_exact probes
check "a request whose caller is killed in the queue is not counted as answered" killed_is_not_answered fentry
check "with kprobes, neither" killed_is_not_answered kprobe
check "24 callers that wait at once are counted exactly" crowd_is_exact
check "with kprobes, too; returns that the kernel missed are counted as lost, since Linux 6.7" missed_returns_are_lost
check "--mount counts only the requests of that mount" only_one_mount
check "Prometheus' text format: buckets are cumulative and end at the count" prometheus_text
check "a second instance is refused" second_instance
check "nothing is left after kill -9 and --remove" killed
check "an existing pin: the error names it, and nothing is left" pin_in_the_way
check "a read-only bpffs: the error names it, and nothing is left" read_only_bpffs
check "a kernel without BTF: unsupported, and nothing left" without_btf
check "killed at every step: nothing is left" killed_at_every_step "${KILL_STRIDE:-20}" 2 "$loader" -d 1
done_testing
