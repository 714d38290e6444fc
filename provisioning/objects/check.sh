#!/usr/bin/env bash
# From a client: creates the bucket if it is absent, puts, gets and removes an object, and checks that access without keys fails.
# Usage: check.sh ENDPOINT BUCKET <<<$'ACCESS-KEY\nSECRET-KEY'
set -euo pipefail
endpoint=$1 bucket=$2
IFS= read -r access_key
IFS= read -r secret_key
# curl signs the requests and reads its settings from standard input, so that no argument contains the keys.
s3() {
  printf 'user = "%s:%s"\naws-sigv4 = "aws:amz:us-east-1:s3"\nfail-with-body\nsilent\nshow-error\nmax-time = 30\n' \
    "$access_key" "$secret_key" | curl -K - "$@"
}
answers() { curl -s -o /dev/null --max-time 5 "$endpoint/"; }
wait_for 60 "an answer of the object store at $endpoint" answers
if ! answer=$(s3 "$endpoint/" 2>&1); then
  echo "the object store at $endpoint refuses these keys: ${answer:0:200}" >&2
  exit 1
fi
there() { s3 --head "$endpoint/$bucket" >/dev/null 2>&1; }
# Clients check concurrently: a client that is second gets a conflict (409), and the bucket exists.
if ! there && ! answer=$(s3 -X PUT "$endpoint/$bucket" 2>&1) && ! there; then
  echo "the object store at $endpoint cannot create the bucket $bucket: ${answer:0:200}" >&2
  exit 1
fi
body="written by $(hostname) at $(date +%s%N)"
object=$endpoint/$bucket/disgrafs-check-$(hostname)
s3 -X PUT -d "$body" "$object" >/dev/null
got=$(s3 "$object")
if [ "$got" != "$body" ]; then
  echo "the object store returned different data than was written: ${got:0:200}" >&2
  exit 1
fi
s3 -X DELETE "$object" >/dev/null
status=$(curl -s -o /dev/null -w '%{http_code}' --max-time 30 "$object")
if [ "$status" != 403 ]; then
  echo "the object store answered $status to a request without keys; expected 403" >&2
  exit 1
fi
echo ok
