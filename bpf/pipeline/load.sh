#!/usr/bin/env bash
# Loads an installed extension (/opt/disgrafs/extensions/NAME) and verifies that it works. The last line of output is the verdict as
# JSON (`Verdict` in extensionOnNode.ts). If the machine cannot run the extension, the script fails only if it is required.
# Usage: load.sh NAME RELEASE NEEDS REQUIRED(yes|no) KEEP(yes|no) [OPTION...]
set -euo pipefail
name=$1 release=$2 needs=$3 required=$4 keep=$5
shift 5
folder=/opt/disgrafs/extensions/$name
unit=disgrafs-extension@$name.service
log=/var/log/disgrafs-$name.log

say() { # VERDICT
  # The benchmark's arms read the file.
  echo "$1" | tee "$folder/verdict.json"
  if [ "$required" = yes ] && [ "$(jq .supported <<<"$1")" != true ]; then
    echo "extension $name is required and cannot run here: $(jq -r '"\(.reason); needed: \(.needed)"' <<<"$1")" >&2
    exit 1
  fi
  exit 0
}
refused() { # REASON NEEDED
  say "$(jq -cn --arg reason "$1" --arg needed "$2" '{supported: false, reason: $reason, needed: $needed}')"
}

chmod 755 "$folder/bin/$name" "$folder"/scripts/*.sh "$folder/probe.sh"
# One script at a time: all extensions share the unit file, and the kernel's switch for run counts, which verify.sh uses. The lock is
# held until this script ends.
exec 9>/run/disgrafs-extensions.lock
flock 9
# Remove the running version before loading a new one.
if systemctl is-active -q "$unit"; then systemctl stop "$unit"; fi
verdict=$("$folder/scripts/preflight.sh" "$name" "$release" "$needs" "$@")
[ "$(jq .supported <<<"$verdict")" = true ] || say "$verdict"

mkdir -p /etc/disgrafs/extensions /var/lib/prometheus/node-exporter
put /etc/systemd/system/disgrafs-extension@.service 0644 <"$folder/scripts/disgrafs-extension@.service" || true
# systemd splits the value at spaces; options.ts has rejected options with spaces.
printf "OPTIONS='--log %s %s'\n" "$log" "$*" >"/etc/disgrafs/extensions/$name"
reload_changed "$unit"
systemctl reset-failed "$unit" 2>/dev/null || true
if ! systemctl start "$unit"; then
  reason=$(journalctl -q -o cat -n 20 -u "$unit" | grep "^$name:" | tail -n 3 | tr '\n' ' ' || true)
  refused "did not load: ${reason:-systemctl status $unit}" "see $log, whose end is: $(tail -n 5 "$log" 2>/dev/null | tr '\n' ' ')"
fi
if ! proof=$("$folder/scripts/verify.sh" "$name" 2>"$folder/verify.err"); then
  reason=$(tail -n 1 "$folder/verify.err" | sed 's/^jq: error ([^)]*): //')
  systemctl stop "$unit"
  refused "loaded, but not proven: $reason" "the probe $folder/probe.sh to succeed; unloaded again"
fi
if [ "$keep" = no ]; then systemctl stop "$unit"; fi
say "$(jq -c --argjson proof "$proof" '. + $proof' <<<"$verdict")"
