/* SPDX-License-Identifier: GPL-2.0 */
/*
 * names.pml - the names of whole listings (programs/names.h), for spin
 *
 * Directories 1 and 2 share an element. Directory 1 has the name x, directory 2
 * is empty. Both are listed, directory 1 by two tasks (or one: TWO), while x is looked up in
 * directory 1: it must never be answered as absent. How old an answer may be is
 * in coherence.pml (LISTER).
 *
 * Each rule can be removed by -D: then a violation must be found.
 */
byte tickets;			/* last number of a listing */
byte ticket, whole, owner;	/* as in struct efuse_directory */
bool x;				/* the bit of the name */
bool lock;

#ifdef NO_LOCK
#define TRY	true
#else
#define TRY	(!lock) -> lock = true
#endif

proctype lister(byte directory; byte listings)
{
	byte mine;

	do
	:: listings > 0 ->
		listings--;
		mine = 0;
		/* names_begin() */
		if
		:: atomic { TRY; }
#ifdef CLEAR_FIRST
			x = false;
#endif
			d_step { tickets++; mine = tickets; }
			ticket = mine;
			owner = directory;
#ifndef CLEAR_FIRST
			x = false;
#endif
			lock = false;
		:: true			/* another task holds the lock */
		fi;
		/* names_add() */
		if
		:: directory == 1 && mine && ticket == mine -> x = true
		:: else
		fi;
		/* names_end() */
		if
		:: atomic { mine -> TRY; }
			if
#ifdef NO_COMPARE
			:: true -> whole = ticket
#else
			:: ticket == mine -> whole = ticket
			:: else
#endif
			fi;
			lock = false;
		:: true			/* it ended early */
		fi
	:: else -> break
	od
}

proctype reader()
{
	byte seen, is_whole, directory;
	bool has;

	/* absent_since() */
	seen = ticket;
	is_whole = whole;
	directory = owner;
	has = x;
#ifndef NO_SECOND_LOOK
	if
	:: ticket != seen -> has = true
	:: else
	fi;
#endif
	assert(!seen || is_whole != seen || directory != 1 || has)
}

init
{
	atomic {
		run lister(1, 1);
#ifndef TWO
		run lister(1, 1);
#endif
		run lister(2, 2);
		run reader();
	}
}
