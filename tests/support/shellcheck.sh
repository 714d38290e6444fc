#!/usr/bin/env bash
# Checks every bash script of the repository, by its first line and not by its name.
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files --cached --others --exclude-standard -z |
  xargs -0 -r grep -lIZm1 -E '^#!.*\b(ba)?sh\b' -- 2>/dev/null |
  xargs -0 -r shellcheck -x
