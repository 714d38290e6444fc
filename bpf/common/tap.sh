#!/usr/bin/env bash
# Sourced by the extensions' tests in a VM. Prints the results as TAP lines, which tests/support/tap.ts parses.
tap_count=0
tap_failed=0

# check DESCRIPTION COMMAND...: a test that passes if the command succeeds; otherwise, its output is shown. The command runs under
# `set -e`, so any failing command in a function fails the test. (In the condition of an `if`, `set -e` would have no effect.)
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

# refuses COMMAND...: succeeds if the command fails.
refuses() {
  if "$@"; then
    echo "succeeded, but should have failed: $*" >&2
    return 1
  fi
}

# note TEXT: writes a comment to the log.
note() { echo "# $*"; }

# wait_for SECONDS COMMAND...: waits until the command succeeds.
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

# killed_at_every_step STRIDE LEAST LOADER ARGUMENT...: kills the loader at its Nth call of bpf(2), for every STRIDEth N until a run
# completes, and removes what it leaves. Fails if a run ends in any other way, or if fewer than LEAST runs were killed.
killed_at_every_step() {
  local stride=$1 least=$2 loader=$3 step status output kills=0
  shift 2
  for ((step = 1; step < 500; step += stride)); do
    status=0
    output=$(strace -f -qq -o /dev/null -e trace=bpf -e "inject=bpf:signal=KILL:when=$step" "$@" 2>&1) || status=$?
    [ "$status" -ne 0 ] || break
    # strace exits with the status of its program: 128 + SIGKILL.
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

# done_testing: prints the plan and sets the exit status.
done_testing() {
  echo "1..$tap_count"
  exit "$tap_failed"
}

# nothing_left LOADER: succeeds if the kernel has no program, map or pin of it. The kernel frees them shortly after their last use.
nothing_left() {
  wait_for 60 is_nothing_left "$1" || {
    "$1" --status
    return 1
  }
}
is_nothing_left() {
  jq -e '.programs == [] and .maps == [] and (.running | not) and (.pinned | not)' <<<"$("$1" --status)"
}
