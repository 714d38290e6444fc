/* SPDX-License-Identifier: GPL-2.0 */
/*
 * notices.pml - generations that are taken back (programs/notices.h), for spin
 *
 * The files of one slot change, and the daemon reports changes that were none.
 * Numbers are taken and written in separate steps, so others come in between.
 * Whatever was seen before a change must not be valid after it. What a reader
 * then sees is in reads.pml (REPORTS).
 *
 * Each rule can be removed by -D: then a violation must be found.
 */
#define CHANGERS	1
#define REPORTS		2
#define TAKERS		2

byte seq;			/* last number taken */
byte word;			/* the generation */
byte before, number;		/* the element of efuse_notices */
byte changed;			/* `seen` up to which a change has invalidated all */

/* swap_word() */
inline swap(next, old, done)
{
	do
	:: !done ->
		d_step { seq++; next = seq; }
		old = word;
#ifdef EARLY
		if
		:: old >= next -> done = true
		:: else
		fi;
#endif
		d_step {
			if
			:: !done && old < next && word == old ->
				word = next;
				done = true
			:: else
			fi
		}
	:: done -> break
	od;
	skip
}

active [CHANGERS] proctype changer()
{
	byte next, old, mark;
	bool done;

	mark = seq;
	swap(next, old, done);
	d_step {
		if
		:: mark + 1 > changed -> changed = mark + 1
		:: else
		fi;
		assert(word >= changed);
		next = 0; old = 0; mark = 0;
	}
}

/* notified() */
active proctype daemon()
{
	byte n, next, old;
	bool done;

	do
	:: n < REPORTS ->
		n++;
		done = false;
		swap(next, old, done);
		d_step { before = old; number = next; next = 0; old = 0; }
	:: break
	od
}

/* take_back(): whichever file of the slot the attributes are of */
active [TAKERS] proctype taker()
{
	byte value, to;
	bool same;

	value = word;
	d_step { to = before; same = value == number; }
#ifdef ANY_NUMBER
	same = true;
#endif
	d_step {
		if
#ifdef NO_SWAP
		:: same && number ->
#else
		:: same && number && word == value ->
#endif
			word = to
		:: else
		fi;
		assert(word >= changed);
		value = 0; to = 0;
	}
}
