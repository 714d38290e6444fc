#!/usr/bin/env bash
# Verifies that a loaded extension works: its programs are in the kernel, and their run counts increase during a probe workload.
# Prints {"programs":[{"name","id","tag","runs"},...]}, where `runs` is the number of runs during the probe, and the "facts" of
# the loader's status.
# Usage: verify.sh NAME
set -euo pipefail
name=$1
folder=/opt/disgrafs/extensions/$name
loader=$folder/bin/$name

# The kernel counts runs only on request, because that costs some nanoseconds per run of each program.
stats=/proc/sys/kernel/bpf_stats_enabled
was=$(cat "$stats")
trap 'echo "$was" >"$stats"' EXIT
echo 1 >"$stats"
before=$("$loader" --status)
"$folder/probe.sh"
after=$("$loader" --status)
jq -ce --argjson before "$before" '
  . as $after | [$after.programs[] | . as $now
    | ($before.programs[] | select(.id == $now.id and .tag == $now.tag)) as $then
    | {name, id, tag, runs: ($now.runCount - $then.runCount)}]
  | if length == 0 then error("no program of the extension is loaded")
    elif (map(.runs) | add) == 0 then error("loaded, but no program ran during the probe")
    else {programs: .} + ($after | if .facts then {facts} else {} end) end' <<<"$after"
