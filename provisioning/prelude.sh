#!/usr/bin/env bash
# Functions for every node script; remote.ts puts this text in front of the script.

# What the step is waiting for, reported by `too_late`.
waiting_for="" unit_of_step=""

# A step that exceeds its time limit receives TERM (remote.ts) and reports what it was waiting for.
too_late() {
  trap - TERM
  echo "timed out${waiting_for:+ while waiting for $waiting_for}" >&2
  last_lines
  exit 124
}
trap too_late TERM

# On a full disk, programs fail with errors that do not mention the disk.
say_when_full() {
  local status=$? free
  free=$(df --output=avail -k / | tail -n 1)
  if ((status != 0 && free < 65536)); then
    echo "the disk of $(hostname) is full: $((free / 1024)) MiB are free. To see what uses it:" \
      "./lab ssh $(hostname) -- 'du -xh -d 3 / | sort -h | tail'; for a larger disk, set the node's diskGiB" >&2
  fi
}
trap say_when_full EXIT

# Prints the end of the log of the unit that the step started.
last_lines() {
  if [ "$unit_of_step" ]; then
    echo "the last lines of $unit_of_step:" >&2
    journalctl -u "$unit_of_step" -n 20 --no-pager -o cat >&2
  fi
}

# put PATH MODE [OWNER]: replaces the file by standard input, atomically. Returns 0 if anything changed, and 1 if the file
# was already identical, so that callers restart a service only when needed.
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

# Microseconds of CPU time that the step's unit has used.
work_of_unit() {
  # The file is gone as soon as the unit has ended.
  sed -n 's/^usage_usec //p' "/sys/fs/cgroup/system.slice/${unit_of_step:-none}/cpu.stat" 2>/dev/null || echo 0
}

# Number of times that the step's unit has been restarted by systemd.
restarts_of_unit() {
  local restarts=0
  [ -z "$unit_of_step" ] || restarts=$(systemctl show -p NRestarts --value "$unit_of_step")
  echo "${restarts:-0}"
}

# wait_for SECONDS WHAT COMMAND...: runs the command until it succeeds. Fails, naming WHAT, if it has not succeeded for that
# long and the step's unit is idle too, or ends again and again. A unit that still works is slow, not dead, and may take until
# the step's time limit.
wait_for() {
  local patience=$1 what=$2 deadline before restarts now again
  shift 2
  waiting_for=$what
  deadline=$((SECONDS + patience)) before=$(work_of_unit) restarts=$(restarts_of_unit)
  # A trap that runs inside the command would write where the command's own lines go: nowhere.
  local late=no
  trap late=yes TERM
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      now=$(work_of_unit) again=$(($(restarts_of_unit) - restarts))
      # A twentieth of a CPU: more than an idle service takes.
      if ((now - before < patience * 50000 || again >= 3)); then
        trap too_late TERM
        echo "$what did not come in time" >&2
        if ((again > 0)); then echo "$unit_of_step was restarted $again times meanwhile" >&2; fi
        last_lines
        return 1
      fi
      deadline=$((SECONDS + patience)) before=$now
    fi
    sleep 0.3 || true
    if [ "$late" = yes ]; then too_late; fi
  done
  trap too_late TERM
  if [ "$late" = yes ]; then too_late; fi
  waiting_for=""
}

# reload_changed UNIT: has systemd read the unit's file again if it has changed since systemd read it. It reads a new unit when that
# is first used. A reload reads the files of all units, which takes two seconds on an emulated machine.
reload_changed() {
  if [ "$(systemctl show -p NeedDaemonReload --value "$1")" = yes ]; then systemctl daemon-reload; fi
}

# tell_wanting UNIT: has systemd read the links of services that start this unit whenever they start, unless it knows them. A target
# needs no reload: it starts its units when the machine boots.
tell_wanting() {
  local link wanting
  for link in /etc/systemd/system/*.service.wants/"$1"; do
    wanting=$(basename "${link%/*}" .wants)
    if [ -L "$link" ] && [[ " $(systemctl show -p Wants --value "$wanting") " != *" $1 "* ]]; then
      systemctl daemon-reload
    fi
  done
}

# end_units UNIT...: stops units and disables them. In this order, because systemd warns of a unit whose links have changed. A unit
# without a file was removed by an earlier attempt, which was interrupted.
end_units() {
  local unit there=()
  for unit; do
    if systemctl cat "$unit" >/dev/null 2>&1; then there+=("$unit"); fi
  done
  [ ${#there[@]} -gt 0 ] || return 0
  systemctl stop "${there[@]}"
  systemctl -q --root=/ disable "${there[@]}"
  # systemd would keep a unit that ended with an error.
  systemctl -q reset-failed "${there[@]}" 2>/dev/null || true
  for unit in "${there[@]}"; do
    if systemctl -q is-active "$unit"; then
      echo "$unit is still active" >&2
      return 1
    fi
  done
}

# start_unit UNIT CHANGED: starts a unit, or restarts it if CHANGED is yes. Prints the end of its log if it fails.
start_unit() {
  local verb=start
  unit_of_step=$1
  waiting_for="the start of $1"
  [ "$2" = yes ] && verb=restart
  reload_changed "$1"
  # In the files only: through systemd, every unit would need a reload afterwards. An init script of the unit's name would, too.
  systemctl -q is-enabled "$1" 2>/dev/null || systemctl -q --root=/ enable "$1"
  tell_wanting "$1"
  # Otherwise systemd does not retry a unit that has failed too often.
  systemctl -q reset-failed "$1" 2>/dev/null || true
  if ! systemctl "$verb" "$1"; then
    last_lines
    return 1
  fi
  waiting_for=""
}

# cut_zeros FOLDER: removes the zeros at the end of the newest append-only file of a Redis that is stopped. A power cut leaves them there
# if the file system had extended the file before the data was written, and Redis does not start with them. If the rest ends in the
# middle of a command or transaction, Redis removes that itself. The last three damaged files are kept in FOLDER.
cut_zeros() {
  local newest line zeros copy
  cd "$1" || return
  [ -e appendonlydir/appendonly.aof.manifest ] || return 0
  newest=$(sed -n 's/^file \(.*\) seq [0-9]* type i.*/\1/p' appendonlydir/appendonly.aof.manifest | tail -n 1)
  # Every command ends with a newline, so the last byte of a sound file is not zero.
  [ "$newest" ] && [ "$(tail -c 1 "appendonlydir/$newest" | od -An -tx1)" = " 00" ] || return 0
  # Zeros contain no newline either: all of them are in the last line.
  line=$(tail -n 1 "appendonlydir/$newest" | wc -c)
  zeros=$((line - $(tail -n 1 "appendonlydir/$newest" | LC_ALL=C sed 's/\x00*$//' | wc -c)))
  copy=damaged-$(date -u +%Y%m%dT%H%M%SZ)-$newest
  printf '%s\n' damaged-* | head -n -2 | xargs -r rm -f
  cp -a "appendonlydir/$newest" "$copy"
  truncate -s "-$zeros" "appendonlydir/$newest"
  echo "$newest ended with $zeros zeros, as after a power cut. They were removed; the file as it was is $1/$copy"
}

# put_cut_zeros PATH: writes the program that calls cut_zeros, for ExecStartPre of units.
put_cut_zeros() {
  put "$1" 0755 <<END
#!/usr/bin/env bash
set -euo pipefail
$(declare -f cut_zeros)
cut_zeros "\$1"
END
}
