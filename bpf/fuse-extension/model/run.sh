#!/usr/bin/env bash
# Checks the model: no violation with all rules, one when any of them is taken
# away. Prints TAP with the number of states. Needs spin and a C compiler.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count=0 failed=0

# check TITLE yes|no FLAG...: does the model with the flags have a violation?
check() {
	local title=$1 expected=$2 found=no states out
	shift 2
	mkdir -p "$work/$count"
	out=$(cd "$work/$count" && spin -a "$@" "$OLDPWD/coherence.pml" &&
		cc -O2 -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c 2>&1 &&
		./pan -m1000000 -w24)
	if grep -q "errors: [1-9]" <<<"$out"; then
		found=yes
	elif ! grep -q "errors: 0" <<<"$out" ||
		grep -qE "max search depth too small|out of memory" <<<"$out"; then
		found=incomplete
	fi
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' <<<"$out")
	count=$((count + 1))
	if [ "$found" = "$expected" ]; then
		echo "ok $count - $title ($states states)"
	else
		echo "not ok $count - $title: violation $found, expected $expected ($states states)"
		failed=$((failed + 1))
	fi
}

check "all rules: no violation" no
check "all rules, a file open for writing: no violation" no -DWRITER -DNO_OTHERS
check "without the check of what changed while it was filled" yes -DFILL_RACE
check "without raising at completion" yes -DNO_RAISE_DONE
check "without pushes" yes -DNO_PUSH
check "without the lease" yes -DNO_LEASE
check "with a lease that is renewed without a round trip" yes -DRENEW_ALWAYS
check "with a lease that counts from the reply" yes -DRENEW_FROM_REPLY
check "without the epoch on a new connection" yes -DNO_EPOCH
check "without raising at open" yes -DNO_OPEN_RAISE
check "serving what is open for writing" yes -DWRITER -DNO_OTHERS -DNO_OPEN_WRITE
echo "1..$count"
[ "$failed" -eq 0 ]
