#!/usr/bin/env bash
# Starts a run, or resumes it, and follows it for a bounded time; its progress goes to standard error.
# TERM (Ctrl-C of `pulumi up`) ends the run on all nodes; a lost connection does not, and the next `up` follows on.
# Usage: follow.sh RUN SECONDS more|last BLOCK pause|end
#   more, last   whether a later step waits for the same, or none
#   BLOCK        the last block to measure for now
#   pause, end   what to do then: keep the data for more blocks, or remove it
set -euo pipefail
run=$1 seconds=$2 position=$3 block=$4 after=$5
folder=/var/lib/disgrafs/benchmarks/$run
unit=disgrafs-benchmark@$run.service
shown=""

stop_run() {
  # Who sends TERM does not wait for long: systemd ends the run, whatever becomes of this script.
  systemctl stop --no-block "$unit"
  echo "benchmark $run is being stopped on all nodes; what it has measured is kept for the next run" >&2
  exit 130
}
trap stop_run TERM INT

# Without starting a program: this shares the machine with what is being measured.
show() {
  local line=""
  read -r line 2>/dev/null <"$folder/progress" || true
  if [[ -n $line && $line != "$shown" ]]; then
    echo "$line" >&2
    shown=$line
  fi
}

# Whether the run has come to what is asked for. One that has ended does not go on: its data is gone.
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
        # It paused just as more was asked for.
        start_run
        continue
      fi
      echo "benchmark $run ended before its time; the end of its log:" >&2
      journalctl --unit "$unit" --output cat --no-pager --lines 15 | cut -c1-300 >&2
      echo "what it has measured is kept: run up again to go on from there" >&2
      exit 1
    fi
  fi
  if ((SECONDS > deadline)); then
    [[ $position == more ]] && exit 0
    echo "benchmark $run still runs after its time limit: run up again to wait on," \
      "or set benchmark to none to stop it" >&2
    exit 1
  fi
  sleep 1 &
  wait $! || true
done
show
cat "$folder/finished"
