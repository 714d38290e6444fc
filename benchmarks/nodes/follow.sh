#!/usr/bin/env bash
# Starts or resumes a run, and follows it for a limited time; its progress goes to standard error.
# TERM (Ctrl-C of `pulumi up`) ends the run on all nodes. A lost connection does not, and the next `up` continues to follow it.
# Usage: follow.sh RUN SECONDS more|last BLOCK pause|end
#   more, last   whether a later step continues to wait, or this is the last one
#   BLOCK        the last block to measure for now
#   pause, end   afterwards, keep the data for more blocks, or remove it
set -euo pipefail
run=$1 seconds=$2 position=$3 block=$4 after=$5
folder=/var/lib/disgrafs/benchmarks/$run
unit=disgrafs-benchmark@$run.service
shown=""

stop_run() {
  # The sender of TERM does not wait long, so systemd ends the run, independent of this script.
  systemctl stop --no-block "$unit"
  echo "benchmark $run is being stopped on all nodes; its measurements are kept for the next run" >&2
  exit 130
}
trap stop_run TERM INT

# Start no programs here: this script shares the machine with the measurement.
show() {
  local line=""
  read -r line 2>/dev/null <"$folder/progress" || true
  if [[ -n $line && $line != "$shown" ]]; then
    echo "$line" >&2
    shown=$line
  fi
}

# Whether the run has reached the requested block. A run that has ended cannot continue, because its data is removed.
finished() {
  local line
  read -r line 2>/dev/null <"$folder/finished" || return 1
  [[ $line =~ \ paused\ after\ block\ ([0-9]+)$ ]] || return 0
  [[ $after == pause ]] && ((BASH_REMATCH[1] >= block))
}

start_run() {
  systemctl reset-failed "$unit" 2>/dev/null || true
  rm -f "$folder/progress" "$folder/finished"
  systemctl start "$unit"
}

if ! finished; then
  put "$folder/request" 0644 <<<"$block $after" || true
  systemctl --quiet is-active "$unit" || start_run
fi
deadline=$((SECONDS + seconds))
look=$SECONDS
until finished; do
  show
  if ((SECONDS >= look)); then
    look=$((SECONDS + 10))
    if ! systemctl --quiet is-active "$unit" && ! finished; then
      if [[ -f $folder/finished ]]; then
        # It paused at the moment when more blocks were requested.
        start_run
        continue
      fi
      echo "benchmark $run ended early; the end of its log:" >&2
      journalctl --unit "$unit" --output cat --no-pager --lines 15 | cut -c1-300 >&2
      echo "its measurements are kept: run up again to continue from there" >&2
      exit 1
    fi
  fi
  if ((SECONDS > deadline)); then
    [[ $position == more ]] && exit 0
    echo "benchmark $run is still running after its time limit: run up again to continue waiting," \
      "or set benchmark to none to stop it" >&2
    exit 1
  fi
  sleep 1 &
  wait $! || true
done
show
cat "$folder/finished"
