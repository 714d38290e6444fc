#!/bin/bash
# Ends a run that is still going, on all nodes. What it has measured stays. Argument: run id.
set -euo pipefail
run=$1
systemctl stop "disgrafs-benchmark@$run.service" || true
[[ $(systemctl is-active "disgrafs-benchmark@$run.service") != active ]]
