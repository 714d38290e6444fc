#!/usr/bin/env bash
# Checks the models: no violation with all rules, and a violation if a rule is
# removed. Prints TAP with the number of states. Needs spin and a C compiler.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count=0 failed=0
model=coherence

# check TITLE yes|no FLAG...: checks whether $model with these flags has a violation
check() {
	local title=$1 expected=$2 found=no states out
	# A violation is found early, so compiling would take most of its time. The table of states has hundreds of MB: in huge pages,
	# the check takes an eighth less.
	local optimise=-O2
	[ "$expected" = no ] || optimise=-O0
	shift 2
	mkdir -p "$work/$count"
	out=$(cd "$work/$count" && spin -a "$@" "$OLDPWD/$model.pml" &&
		cc $optimise -DSAFETY -DVECTORSZ=2048 -o pan pan.c 2>&1 &&
		GLIBC_TUNABLES=glibc.malloc.hugetlb=1 ./pan -m1000000 -w24)
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
# What own changes and open() depend on needs no second tick of the clock.
brief=(-DTICKS=1)
check "all rules, own changes: no violation" no "${own[@]}"
check "all rules, another client's changes: no violation" no "${others[@]}"
check "all rules, numbers taken and written in two steps: no violation" no "${own[@]}" -DSPLIT
check "all rules, a file open for writing: no violation" no "${own[@]}" -DNO_CHANGER -DWRITER
check "all rules, open() and then fstat(): no violation" no "${others[@]}" -DOPENER "${brief[@]}"
check "all rules, a listing, own changes: no violation" no "${own[@]}" -DLISTER "${brief[@]}"
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

# With --kernel-cache. CONNECTED leaves out the end of the connection, on which own changes and open() do not depend either.
opens=("${others[@]}" -DKERNEL -DOPENER -DCONNECTED "${brief[@]}")
check "all rules, answers kept in the kernel, own changes: no violation" no "${own[@]}" -DKERNEL -DCONNECTED
check "all rules, answers kept in the kernel, another client's changes: no violation" no "${others[@]}" -DKERNEL
check "all rules, answers kept in the kernel, notifications lost: no violation" no "${others[@]}" -DKERNEL -DNO_DROP -DBEATS=2
check "all rules, answers kept in the kernel, open() and then fstat(): no violation" no "${opens[@]}"
check "with answers kept for longer than the lease: a violation" yes "${others[@]}" -DKERNEL -DNO_DROP -DLONG_GRANT
# The kernel counts from when it uses the answer. CONNECTED: the connection's end is not needed for it.
paused=("${others[@]}" -DKERNEL -DNO_DROP -DCONNECTED -DBOUND=2 -DTICKS=4 -DPAUSE=1)
check "answers kept in the kernel, a task paused for at most the margin: no violation" no "${paused[@]}" -DMARGIN=1
check "with answers kept by a task that was paused for longer than the margin: a violation" yes "${paused[@]}"
check "with answers kept for a lease that was renewed meanwhile: a violation" yes "${others[@]}" -DKERNEL -DNO_DROP -DBEATS=2 -DLATE_LEASE
check "with answers kept by every open(): a violation" yes "${opens[@]}" -DKEEP_ALL
check "with answers kept by an open() that does not notify: a violation" yes "${opens[@]}" -DNO_NOTIFY
check "with an open() that notifies before it raises: a violation" yes "${opens[@]}" -DDROP_FIRST

model=names
check "names of whole listings, all rules: no violation" no
check "names of whole listings, begun without the lock: a violation" yes -DNO_LOCK -DTWO
check "names of whole listings, cleared before the ticket is taken: a violation" yes -DCLEAR_FIRST
check "names of whole listings, completed with another ticket: a violation" yes -DNO_COMPARE
check "names of whole listings, without a second look at the ticket: a violation" yes -DNO_SECOND_LOOK

model=notices
check "generations that are taken back, all rules: no violation" no
check "generations that are taken back, without a number for each change: a violation" yes -DEARLY
check "generations that are taken back, with any number: a violation" yes -DANY_NUMBER
check "generations that are taken back, without a compare-and-swap: a violation" yes -DNO_SWAP

model=reads
# Without the clock, the lease does not end: fewer states where it does not matter.
timeless=(-DTICKS=0)
writer=(-DNO_OTHERS -DWRITER -DOPEN "${timeless[@]}")
check "reads: all rules: no violation" no
check "reads: all rules, after open(): no violation" no -DOPEN -DREADS=1
check "reads: all rules, after open(), two changes: no violation" no -DOPEN -DCHANGES=2 -DSTATS=2 "${timeless[@]}"
check "reads: all rules, a file open for writing: no violation" no "${writer[@]}"
check "reads: all rules, the connection breaks: no violation" no -DNETWORK -DREADS=1
check "reads: all rules, partly cached and damaged blocks: no violation" no -DHALF -DDAMAGE "${timeless[@]}"
check "reads: all rules, the file is opened again: no violation" no -DOPENER -DTOLD "${timeless[@]}"
check "reads: all rules, closed and opened between two reads: no violation" no -DAGAIN "${timeless[@]}"
check "reads: all rules, evicted blocks: no violation" no -DEVICTION "${timeless[@]}"
renewed=(-DRENEW -DOPEN -DREADS=1 "${timeless[@]}")
check "reads: all rules, attributes that Redis confirms after open(): no violation" no "${renewed[@]}"
check "reads: all rules, the same after an open() by another handle: no violation" no -DRENEW -DOPENER -DTOLD "${timeless[@]}"
reported=(-DREPORTS "${timeless[@]}")
check "reads: all rules, the daemon reports a change: no violation" no "${reported[@]}" -DTOLD
check "reads: all rules, the same while the file is opened: no violation" no "${reported[@]}" -DTOLD -DOPENER
check "reads: all rules, the same with attributes that Redis confirms: no violation" no "${reported[@]}" -DRENEW -DREADS=1
check "reads: rule 1: with attributes confirmed that Redis has in another version: a violation" yes "${renewed[@]}" -DRENEW_ANY
check "reads: rule 1: with attributes confirmed by an earlier look-up: a violation" yes "${renewed[@]}" -DRENEW_LATE
check "reads: rule 1: without comparing versions: a violation" yes -DOPEN -DREADS=1 -DNO_VERSION
check "reads: rule 1: with versions compared only once: a violation" yes -DAGAIN "${timeless[@]}" -DCOMPARED_ONCE
check "reads: rule 1: without noticing what the daemon reports: a violation" yes -DNO_NOTICE
check "reads: rule 1: without noticing it after an open(): a violation" yes -DOPENER -DTOLD -DNO_REOPEN "${timeless[@]}"
check "reads: rule 1: with slices and attributes from two transactions: a violation" yes -DOPEN -DREADS=1 -DNO_MULTI
check "reads: rule 1: without the lease: a violation" yes -DNO_LEASE
check "reads: rule 1: without pushes: a violation" yes -DNO_PUSH
check "reads: rule 1: without the epoch on a new connection: a violation" yes -DNETWORK -DREADS=1 -DNO_EPOCH
check "reads: rule 1: without raising at open: a violation" yes -DOPEN -DREADS=1 -DNO_OPEN_RAISE
check "reads: rule 2: with files open for writing served: a violation" yes "${writer[@]}" -DNO_OPEN_WRITE
check "reads: rule 3: with handles that saw another version: a violation" yes -DNO_HANDLE
check "reads: rule 3: with handles dated by the reply to OPEN: a violation" yes -DOPEN -DOPEN_LATE
check "reads: rule 3: with a reported change of the version taken back: a violation" yes "${reported[@]}" -DTOLD -DREPORT_ANY
check "reads: rule 4: with a block's end as the file's: a violation" yes -DHALF -DEND "${timeless[@]}"
check "reads: rule 5: with damaged blocks: a violation" yes -DDAMAGE -DNO_CHECKSUM "${timeless[@]}"
check "reads: rule 6: with evicted blocks kept: a violation" yes -DEVICTION -DKEEP "${timeless[@]}"
check "reads: rule 6: with a released block's number reused during a read: a violation" yes -DEVICTION -DREUSE "${timeless[@]}"
echo "1..$count"
[ "$failed" -eq 0 ]
