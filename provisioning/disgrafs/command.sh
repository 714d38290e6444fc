#!/usr/bin/env bash
# The command `disgrafs` on a node. Done when it has found a file: there is one, by which the taggers were checked.
# Usage: command.sh ADDRESS:PORT APP VENV <<<TOKEN
set -euo pipefail
address=$1 app=$2 venv=$3
IFS= read -r token

put /etc/disgrafs/api-token 0600 <<<"$token" || true
put /usr/local/bin/disgrafs 0755 <<END || true
#!/bin/sh
# DisGraFS from a shell: disgrafs find WORD...
if [ "\$1" != find ]; then
  echo "usage: disgrafs find WORD [WORD] [tag:NAME] [in:PATH] [--json]; disgrafs find --help says more" >&2
  exit 1
fi
shift
export DISGRAFS_API=http://$address DISGRAFS_TOKEN_FILE=/etc/disgrafs/api-token PYTHONPATH=$app
# Nothing from the folder that it is called in, nor from the user's own packages.
exec $venv/bin/python -sP -m disgrafs.find "\$@"
END
# As JSON: without it the command says that there are more, and that is nothing to report.
disgrafs find --json is:tagged --limit 1 | jq -r ".files[0].path"
