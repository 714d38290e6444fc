#!/usr/bin/env bash
# Two functions that every node script may call; remote.ts puts this text before the script.

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

# wait_for SECONDS WHAT COMMAND...: runs the command until it succeeds. Fails with a line that says what did not come.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      echo "$what did not come in time" >&2
      return 1
    fi
    sleep 0.3
  done
}

# start_unit UNIT CHANGED: starts a unit, or restarts it when CHANGED is yes. Shows the end of its log when it fails.
start_unit() {
  local unit=$1 verb=start
  systemctl daemon-reload
  [ "$2" = yes ] && verb=restart
  systemctl -q enable "$unit"
  if ! systemctl "$verb" "$unit"; then
    journalctl -u "$unit" -n 20 --no-pager -o cat >&2
    return 1
  fi
}
