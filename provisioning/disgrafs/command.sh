#!/usr/bin/env bash
# Installs the command `disgrafs` on a node. Done when it has found a file; one exists from the check of the taggers.
# Usage: command.sh ADDRESS:PORT APP VENV <<<TOKEN
set -euo pipefail
address=$1 app=$2 venv=$3
IFS= read -r token

put /etc/disgrafs/api-token 0600 <<<"$token" || true
put /usr/local/bin/disgrafs 0755 <<END || true
#!/bin/sh
# DisGraFS from a shell: disgrafs find WORD...
if [ "\$1" != find ]; then
  echo "usage: disgrafs find WORD [WORD] [tag:NAME] [in:PATH] [--json]; for details: disgrafs find --help" >&2
  exit 1
fi
shift
export DISGRAFS_API=http://$address DISGRAFS_TOKEN_FILE=/etc/disgrafs/api-token PYTHONPATH=$app
# Do not import from the current folder or the user's own packages.
exec $venv/bin/python -sP -m disgrafs.find "\$@"
END
# With --json, because otherwise the command also reports that there are more results.
disgrafs find --json is:tagged --limit 1 | jq -r ".files[0].path"
