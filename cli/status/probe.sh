#!/usr/bin/env bash
# Prints the node's current state as one line of JSON (nodeReport.ts). Changes nothing, and each question has a time limit.
# Usage: probe.sh MOUNT-POINT REDIS OBJECTS API PROMETHEUS INDEX TAGGERS UNIT... (HOST:PORT each, or "" if there is none)
set -uo pipefail
mount_point=$1 redis=$2 objects=$3 api=$4 prometheus=$5 index=$6 taggers=$7
shift 7
ended() { timeout --kill-after=1 8 "$@"; }
get() { curl --silent --fail --max-time 8 "$1"; }
answers() { if "$@" >/dev/null 2>&1; then echo true; else echo false; fi; }

ping_redis() {
  REDISCLI_AUTH=$(cat /etc/disgrafs/redis-password) ended redis-cli -h "${redis%:*}" -p "${redis#*:}" ping | grep -qx PONG
}
# A working object store answers also a request without credentials; any HTTP status is an answer.
ask_objects() { ended curl --silent --output /dev/null --max-time 8 "http://$objects/"; }
ask_mount() { [ "$(findmnt -no FSTYPE "$mount_point")" = fuse.juicefs ] && ended ls "$mount_point"; }

# DisGraFS's API: its page needs no graph, and /health asks the graph. A graph behind a silent API cannot be judged.
ask_api() { get "http://$api/"; }
ask_graph() { get "http://$api/health"; }

# extension NAME: the state of its unit, and the metrics that its loader last wrote.
extension() {
  local file=/var/lib/prometheus/node-exporter/disgrafs-$1.prom age=null asked=null hits=null
  if [ -e "$file" ]; then
    age=$(($(date +%s) - $(stat -c %Y "$file")))
    read -r asked hits < <(awk '
      /^efuse_requests_total\{.*result="asked"/ { asked += $2; seen = 1 }
      /^efuse_requests_total\{.*result="hit"/ { hits += $2 }
      END { if (seen) print asked, hits + 0; else print "null null" }' "$file")
  fi
  jq -cn --arg name "$1" --arg state "$(systemctl is-active "disgrafs-extension@$1.service")" --argjson age "$age" \
    --argjson asked "$asked" --argjson hits "$hits" '{name: $name, state: $state, figuresAge: $age, asked: $asked, hits: $hits}'
}
extensions() {
  local path
  for path in /etc/disgrafs/extensions/*; do
    [ ! -e "$path" ] || extension "${path##*/}"
  done | jq -cs .
}

benchmark() {
  local unit run line=""
  unit=$(systemctl list-units --plain --no-legend --state=active,activating,deactivating 'disgrafs-benchmark@*' | cut -d' ' -f1 | head -n 1)
  [ "$unit" ] || { echo null && return; }
  run=${unit#*@} run=${run%.service}
  read -r line <"/var/lib/disgrafs/benchmarks/$run/progress"
  jq -cn --arg run "$run" --arg progress "$line" '{run: $run, progress: $progress}'
}

# The metrics of both DisGraFS processes: how far the graph is behind, and files by state.
lag() {
  local text
  text=$(get "http://$index/metrics" && get "http://$taggers/metrics") || { echo null && return; }
  awk '
    $1 == "disgrafs_log_behind_entries" { behind = $2 }
    /^disgrafs_files\{/ { split($1, part, "\""); states = states sep "\"" part[2] "\":" $2; sep = "," }
    END { printf "{\"behind\":%s,\"files\":{%s}}\n", behind == "" ? "null" : behind, states }' <<<"$text"
}

# Prometheus: targets that have not answered for 30 s (a busy machine misses a scrape now and then), how often it could not write,
# and whether it has stored anything just now.
watching() {
  local silent down failed storing
  silent=$(result 'max_over_time(up[30s]) == 0' | jq -c '[.[].metric | {job, instance}]')
  down=$(get "http://$prometheus/api/v1/targets?state=active" |
    jq -c --argjson silent "${silent:-null}" '[.data.activeTargets[] | select(.health == "down") | .labels as {$job, $instance} |
      select($silent == null or ($silent | index({job: $job, instance: $instance}))) |
      {job: $job, node: .labels.node, error: .lastError}]')
  failed=$(get "http://$prometheus/metrics" |
    awk '$1 ~ /^prometheus_tsdb_(wal_writes|compactions|head_truncations|checkpoint_creations)_failed_total$/ { n += $2 } END { if (NR) printf "%d", n }')
  storing=$(result 'count(up)' | jq 'length > 0')
  jq -cn --argjson down "${down:-null}" --argjson failed "${failed:-null}" --argjson storing "${storing:-null}" \
    '{down: $down, failedWrites: $failed, storing: $storing}'
}
# result QUERY: the answer of Prometheus to a query, now.
result() {
  curl --silent --fail --max-time 8 --get --data-urlencode "query=$1" "http://$prometheus/api/v1/query" | jq -c .data.result
}

# The kernel names the whole disk; the root may be one of its partitions.
root=$(readlink "/sys/dev/block/$(mountpoint -d /)") root=${root##*/}
disk_errors=$(dmesg | grep -cE "error, dev ${root%p[0-9]*}\b" || true)
writable=$(answers test "$(findmnt -no OPTIONS / | cut -d, -f1)" = rw)

read -r load _ </proc/loadavg
memory=$(awk '/^MemTotal/ { total = $2 } /^MemAvailable/ { print 1 - $2 / total }' /proc/meminfo)
read -r free size < <(df --output=avail,size -k / | tail -n 1)
units=$(systemctl list-units --all --plain --no-legend "$@" | awk '{ print $1, $3, $4 }' |
  jq -cRn '[inputs | split(" ") | {unit: .[0], active: .[1], sub: .[2]}]')
api_answers=null graph_answers=null
if [ "$api" ]; then
  api_answers=$(answers ask_api)
  [ "$api_answers" = false ] || graph_answers=$(answers ask_graph)
fi
# The object store is asked from each client: its network path counts too.
jq -cn --argjson clock "$(date +%s.%N)" --argjson load "$load" --argjson cpus "$(nproc)" --argjson memory "${memory:-null}" \
  --argjson free "$((free * 1024))" --argjson size "$((size * 1024))" --argjson errors "$disk_errors" \
  --argjson writable "$writable" --argjson units "${units:-[]}" \
  --argjson mount "$([ "$mount_point" ] && answers ask_mount || echo null)" \
  --argjson redis "$([ "$redis" ] && answers ping_redis || echo null)" \
  --argjson objects "$([ "$objects" ] && answers ask_objects || echo null)" \
  --argjson api "$api_answers" --argjson graph "$graph_answers" \
  --argjson extensions "$(extensions)" --argjson benchmark "$(benchmark)" \
  --argjson disgrafs "$([ "$index" ] && lag || echo null)" \
  --argjson prometheus "$([ "$prometheus" ] && watching || echo null)" '
  {clock: $clock, load: $load, cpus: $cpus, memoryUsed: $memory, disk: {$free, $size, $errors, $writable}, units: $units,
   answers: {mount: $mount, redis: $redis, objects: $objects, api: $api, graph: $graph}, extensions: $extensions,
   benchmark: $benchmark, disgrafs: $disgrafs, prometheus: $prometheus}'
