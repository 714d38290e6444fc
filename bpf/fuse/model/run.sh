#!/usr/bin/env bash
# Checks the model: no violation with all rules, and a violation if a rule is
# removed. Prints TAP with the number of states. Needs spin and a C compiler.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count=0 failed=0

# check TITLE yes|no FLAG...: checks whether the model with these flags has a violation
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

# Check the two sides separately: together they have too many states for the
# memory of a laptop.
own=(-DNO_OTHERS)
others=(-DNO_CHANGER)
check "all rules, own changes: no violation" no "${own[@]}"
check "all rules, another client's changes: no violation" no "${others[@]}"
check "all rules, numbers taken and written in two steps: no violation" no "${own[@]}" -DSPLIT
check "all rules, a file open for writing: no violation" no "${own[@]}" -DNO_CHANGER -DWRITER
check "all rules, open() and then fstat(): no violation" no "${others[@]}" -DOPENER
check "all rules, a listing, own changes: no violation" no "${own[@]}" -DLISTER
check "all rules, a listing, another client's changes: no violation" no "${others[@]}" -DLISTER
check "with a listing dated by its last request, own changes: a violation" yes "${own[@]}" -DLISTER -DLIST_LATE
check "with a listing dated by its last request, another client's changes: a violation" yes "${others[@]}" -DLISTER -DLIST_LATE
check "without the check for changes during a fill, own changes: a violation" yes "${own[@]}" -DFILL_RACE
check "without the check for changes during a fill, another client's changes: a violation" yes "${others[@]}" -DFILL_RACE
check "without raising at completion: a violation" yes "${own[@]}" -DNO_RAISE_DONE
check "without pushes: a violation" yes "${others[@]}" -DNO_PUSH
check "without the lease: a violation" yes "${others[@]}" -DNO_LEASE
check "with a lease that is renewed without a round trip: a violation" yes "${others[@]}" -DRENEW_ALWAYS
check "with a lease that counts from the reply: a violation" yes "${others[@]}" -DRENEW_FROM_REPLY
check "without the epoch on a new connection: a violation" yes "${others[@]}" -DNO_EPOCH
check "without raising at open: a violation" yes "${others[@]}" -DOPENER -DNO_OPEN_RAISE
check "with files open for writing served: a violation" yes "${own[@]}" -DNO_CHANGER -DWRITER -DNO_OPEN_WRITE
echo "1..$count"
[ "$failed" -eq 0 ]
