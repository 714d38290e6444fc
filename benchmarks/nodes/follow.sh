#!/usr/bin/env bash
# Starts a run, or resumes it, and follows it for a bounded time; its progress goes to standard error.
# TERM (Ctrl-C of `pulumi up`) ends the run on all nodes; a lost connection does not, and the next `up` follows on.
# Usage: follow.sh RUN SECONDS more|last     (last: no later step waits for it)
set -euo pipefail
run=$1 seconds=$2 position=$3
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

if [[ ! -f $folder/finished ]] && ! systemctl --quiet is-active "$unit"; then
  systemctl reset-failed "$unit" 2>/dev/null || true
  rm -f "$folder/progress"
  systemctl start "$unit"
fi
deadline=$((SECONDS + seconds))
look=$SECONDS
until [[ -f $folder/finished ]]; do
  show
  if ((SECONDS >= look)); then
    look=$((SECONDS + 10))
    if ! systemctl --quiet is-active "$unit" && [[ ! -f $folder/finished ]]; then
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
