#!/usr/bin/env bash
# What every node script may call; remote.ts puts this text before the script.

# What the step is doing, for `too_late`.
waiting_for="" unit_of_step=""

# A step whose time is over gets TERM (remote.ts), and says what it was at.
too_late() {
  trap - TERM
  echo "not done when its time was over${waiting_for:+: it waited for $waiting_for}" >&2
  last_lines
  exit 124
}
trap too_late TERM

# A disk without room makes programs fail in ways that do not name it.
say_when_full() {
  local status=$? free
  free=$(df --output=avail -k / | tail -n 1)
  if ((status != 0 && free < 65536)); then
    echo "the disk of $(hostname) is full: $((free / 1024)) MiB are free. What takes the room:" \
      "./lab ssh $(hostname) -- 'du -xh -d 3 / | sort -h | tail'; more of it: the setting diskGiB of the node" >&2
  fi
}
trap say_when_full EXIT

# The end of the log of the unit that the step started.
last_lines() {
  if [ "$unit_of_step" ]; then
    echo "the last lines of $unit_of_step:" >&2
    journalctl -u "$unit_of_step" -n 20 --no-pager -o cat >&2
  fi
}

# put PATH MODE [OWNER]: standard input becomes the file, in one step. Returns 0 when that changed anything, 1 when the
# file was just so already: the reason to restart a service, or not.
put() {
  local path=$1 mode=$2 owner=${3:-root:root} new
  mkdir -p "$(dirname "$path")"
  new=$(mktemp "$path.XXXXXX")
  cat >"$new"
  chown "$owner" "$new"
  chmod "$mode" "$new"
  if [ -e "$path" ] && cmp -s "$new" "$path" && [ "$(stat -c %a:%U:%G "$new")" = "$(stat -c %a:%U:%G "$path")" ]; then
    rm "$new"
    return 1
  fi
  mv "$new" "$path"
}

# Microseconds of CPU time that the step's unit has had.
work_of_unit() {
  local stat=/sys/fs/cgroup/system.slice/$unit_of_step/cpu.stat
  if [ "$unit_of_step" ] && [ -r "$stat" ]; then sed -n 's/^usage_usec //p' "$stat"; else echo 0; fi
}

# wait_for SECONDS WHAT COMMAND...: runs the command until it succeeds. Fails with a line that says what did not come, when
# it has not for that long and the step's unit does nothing either: one that works on is slow and not dead, and has until
# the step's own time is over.
wait_for() {
  local patience=$1 what=$2 deadline before now
  shift 2
  waiting_for=$what
  deadline=$((SECONDS + patience)) before=$(work_of_unit)
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      now=$(work_of_unit)
      # A twentieth of a CPU: more than an idle service takes.
      if ((now - before < patience * 50000)); then
        echo "$what did not come in time" >&2
        last_lines
        return 1
      fi
      deadline=$((SECONDS + patience)) before=$now
    fi
    sleep 0.3
  done
  waiting_for=""
}

# start_unit UNIT CHANGED: starts a unit, or restarts it when CHANGED is yes. Shows the end of its log when it fails.
start_unit() {
  local verb=start
  unit_of_step=$1
  waiting_for="the start of $1"
  systemctl daemon-reload
  [ "$2" = yes ] && verb=restart
  systemctl -q enable "$1"
  # One that has failed too often is not tried again otherwise.
  systemctl -q reset-failed "$1" 2>/dev/null || true
  if ! systemctl "$verb" "$1"; then
    last_lines
    return 1
  fi
  waiting_for=""
}
