#!/usr/bin/env bash
# Sourced by the extensions' tests in a VM: results as TAP lines, for tests/support and for people.
tap_count=0
tap_failed=0

# check DESCRIPTION COMMAND...: a test that passes when the command succeeds; what it printed is shown when not. A function
# runs under `set -e`, so any of its commands fails it (in an `if` that would be off).
check() {
  local description=$1 output status begun=$SECONDS
  shift
  tap_count=$((tap_count + 1))
  set +e
  output=$(
    set -e
    "$@" 2>&1
  )
  status=$?
  set -e
  if [ "$status" -eq 0 ]; then
    echo "ok $tap_count - $description # $((SECONDS - begun)) s"
  else
    echo "not ok $tap_count - $description"
    echo "# $* ended with status $status:"
    while IFS= read -r line; do echo "#   $line"; done <<<"$output"
    tap_failed=1
  fi
}

# refuses COMMAND...: succeeds when the command fails.
refuses() {
  if "$@"; then
    echo "succeeded, and should not have: $*" >&2
    return 1
  fi
}

# note TEXT: a figure for the log.
note() { echo "# $*"; }

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      echo "gave up waiting for: $*" >&2
      return 1
    fi
    sleep 0.2
  done
}

# killed_at_every_step STRIDE LEAST LOADER ARGUMENT...: kills the loader as it enters its Nth call of bpf(2), for every STRIDEth
# N until a run gets to its end, and removes what it leaves; at LEAST so many must be killed. A run that ends in any other way
# fails.
killed_at_every_step() {
  local stride=$1 least=$2 loader=$3 step status output kills=0
  shift 2
  for ((step = 1; step < 500; step += stride)); do
    status=0
    output=$(strace -f -qq -o /dev/null -e trace=bpf -e "inject=bpf:signal=KILL:when=$step" "$@" 2>&1) || status=$?
    [ "$status" -ne 0 ] || break
    # strace ends as what it runs did: 128 + SIGKILL.
    if [ "$status" -ne 137 ]; then
      echo "not killed at step $step, but ended with status $status: $output"
      return 1
    fi
    kills=$((kills + 1))
    "$loader" --remove
  done
  echo "killed at $kills steps; the last run ended with status $status"
  [ "$status" -eq 0 ]
  [ "$kills" -ge "$least" ]
  nothing_left "$loader"
}

# done_testing: the plan, and the exit status.
done_testing() {
  echo "1..$tap_count"
  exit "$tap_failed"
}

# nothing_left LOADER: no program, map or pin of it is in the kernel, which frees them a moment after their last user.
nothing_left() {
  wait_for 60 is_nothing_left "$1" || {
    "$1" --status
    return 1
  }
}
is_nothing_left() {
  jq -e '.programs == [] and .maps == [] and (.running | not) and (.pinned | not)' <<<"$("$1" --status)"
}
