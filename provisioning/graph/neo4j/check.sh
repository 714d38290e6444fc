#!/usr/bin/env bash
# From a node that uses the graph: checks that Neo4j answers with the password and refuses without. Stores the password in a
# file readable by root only.
# Usage: check.sh ADDRESS PORT VENV <<<PASSWORD
set -euo pipefail
address=$1 port=$2 venv=$3
IFS= read -r password
put /etc/disgrafs/graph-password 0600 <<<"$password" || true
"$venv/bin/python" - "$address:$port" <<'END'
import sys
from pathlib import Path

from neo4j import GraphDatabase
from neo4j.exceptions import AuthError

where = sys.argv[1]


def ask(auth):
    with GraphDatabase.driver(f"bolt://{where}", auth=auth, telemetry_disabled=True) as driver:
        return driver.execute_query("RETURN 40 + 2").records[0][0]


for auth in (None, ("neo4j", "neo4j")):
    try:
        sys.exit(f"the graph on {where} answered without its password: {ask(auth)}")
    except AuthError:
        pass
answer = ask(("neo4j", Path("/etc/disgrafs/graph-password").read_text().strip()))
if answer != 42:
    sys.exit(f"the graph on {where} answered the test query with: {answer}")
END
echo ok
