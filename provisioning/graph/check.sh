#!/usr/bin/env bash
# From a node that uses the graph: checks that it answers with the password and refuses without. Stores the password in a file
# readable by root only.
# Usage: check.sh ADDRESS PORT <<<PASSWORD
set -euo pipefail
address=$1 port=$2
IFS= read -r password
put /etc/disgrafs/graph-password 0600 <<<"$password" || true
graph() { redis-cli -h "$address" -p "$port" "$@"; }

answer=$(graph ping 2>&1 || true)
if [[ $answer != NOAUTH* ]]; then
  echo "the graph on $address:$port answered without a password: $answer" >&2
  exit 1
fi
export REDISCLI_AUTH=$password
answer=$(graph graph.query disgrafs-check 'RETURN 40 + 2' | tr -d '\r')
graph graph.delete disgrafs-check >/dev/null
if ! grep -x 42 <<<"$answer" >/dev/null; then
  echo "the graph on $address:$port answered the test query with: $answer" >&2
  exit 1
fi
echo ok
