/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reads.pml - reads from the block cache, for spin
 *
 * One file, whose content is a version that only grows. Redis holds the current
 * version. The agent maps the file to a block file, together with the version
 * that the attributes had in the same transaction. The programs use the mapping
 * while valid attributes equal that version. coherence.pml has what the
 * attributes themselves need, and the numbers of changes. Here, instead of a
 * number (`seen`), each item has a flag that a change clears.
 *
 * The daemon may answer a read through a handle with any version since it
 * executed the handle's OPEN: JuiceFS keeps slices and data by handle.
 *
 * A read from the block cache must not miss
 *   own	a version whose write was completed on this client before
 *   open	a version that was committed before the daemon executed OPEN
 *   bound	a version that was committed BOUND or more before
 *   told	a version that a stat() on this client had returned before
 * and no read through a handle may
 *   back	return an older version than an earlier one from the block cache,
 *		whose change this client had observed (TOLD: or was told)
 *   short	end before the end of the file
 *   wrong	return anything else than a version of this file
 * and a block file that JuiceFS has evicted must not be
 *   held	after the agent has looked at it.
 *
 * Each rule can be removed by -D: then a violation must be found.
 */
#ifndef BOUND
#define BOUND	1
#endif
#ifndef TICKS
#define TICKS	2
#endif
#ifndef CHANGES
#define CHANGES	1		/* by another client */
#endif
#define VERSIONS (CHANGES + 1)
#ifndef READS
#define READS	2
#endif
#ifndef STATS
#define STATS	1
#endif
#ifndef MAPS
#define MAPS	1		/* times the agent maps the file */
#endif
#define FILES	(MAPS + 1)
#if TICKS
#define BEATS	1
#else
#define BEATS	0
#endif

#define NONE	255		/* no file has this number */
#define DAMAGED	254		/* content of a damaged block file */
#define OTHER	253		/* content of another file's block */

mtype = { PUSH, PONG };

byte now;			/* clock */
byte truth;			/* committed version */
byte committed[VERSIONS + 1];	/* when, by version */
byte dirty;			/* written here, not yet committed */

byte lease = BOUND;		/* served while now < lease */
byte writers;			/* open for writing */

byte attr_version;		/* efuse_attrs */
bool attr_current = true;
bool attr_content = true;	/* no change of content since it was asked for */
bool stat_current, stat_content;	/* of a GETATTR in flight */
bool renew_current, renew_content;	/* since the agent's look-up was sent */

bool mapped = true;		/* efuse_blocks */
byte map_version, map_file;
bool map_half;			/* it has only the first half of the file */
bool equal, equal_current;	/* valid attributes were equal; nothing changed since */
bool read_current;		/* of a copy that a read has made */

bool open_current = true;	/* no change of content since OPEN was sent */
byte least;			/* the version when the daemon executed OPEN */

#ifdef REPORTS
/* The last raise was the daemon's report, which may be taken back (notices.pml). */
bool reported;
bool open_saved, attr_saved, renew_saved;	/* the flags from before it */
bool stat_after;		/* the GETATTR was sent after it */
#ifdef REPORT_ANY
#define SAME(version)	true
#else
#define SAME(version)	(attr_version == version)
#endif
#endif

byte files[FILES];		/* in the module: content, by number */
byte last_file;
bool evicted;			/* JuiceFS has removed the block file */

bool up = true;			/* the connection, and it tracks */
bool pinging;
chan wire = [CHANGES + BEATS + 1] of { mtype, byte };

/* for the checks */
byte own;			/* newest version written on this client */
byte told;			/* newest version returned by a stat() */
byte observed;			/* newest version whose change was observed */
byte shown;			/* newest of them that was read from the cache */

#define MAX(a, b)	(a > b -> a : b)
#define CURRENT		MAX(truth, dirty)

/* A change of attributes; inside d_step. */
inline raised()
{
	attr_current = false;
	stat_current = false;
	renew_current = false;
	equal_current = false;
	read_current = false;
}

/* The second step of raise(). */
inline content_raised()
{
	d_step {
#ifdef REPORTS
		reported = false;
#endif
		open_current = false;
		attr_content = false;
		stat_content = false;
		renew_content = false;
	}
}

/* A change of content, in two steps as in the programs. */
inline raise()
{
	d_step { raised(); }
	content_raised();
}

inline commit()
{
	truth++;
	committed[truth] = now;
	if
	:: up -> wire!PUSH,truth
	:: else
	fi
}

/*
 * GETATTR. The daemon answers from Redis, also while the file is written: an
 * overwritten file has its old size and times until it is flushed.
 */
inline stat(value)
{
	d_step {
		stat_current = true;
		stat_content = true;
#ifdef REPORTS
		stat_after = true;
#endif
	}
	value = truth;
#ifdef REPORTS
	/* take_back() */
	if
	:: d_step {
		reported && stat_after && attr_saved && SAME(value) ->
		open_current = open_current || open_saved;
		attr_content = true;
		renew_content = renew_content || renew_saved;
		reported = false
	   }
	:: else ->
#endif
#ifndef NO_NOTICE
	/* notice_change(); NO_REOPEN: not after an OPEN */
	if
#ifdef NO_REOPEN
	:: d_step { attr_current && attr_version != value -> raised(); }
#else
	:: d_step { attr_content && attr_version != value -> raised(); }
#endif
		content_raised()
	:: else
	fi;
#endif
#ifdef REPORTS
	fi;
#endif
	d_step {
		if
		:: stat_current ->
			attr_version = value;
			attr_current = true;
			attr_content = stat_content;
#ifdef REPORTS
			attr_saved = false;
#endif
			stat_current = false
		:: else
		fi;
		told = MAX(told, value);
#ifdef TOLD
		observed = MAX(observed, value);
#endif
		value = 0;
	}
}

/* efuse_read(), then the module; `served` is false if the daemon must be asked */
inline from_cache(served, value, version, file)
{
	d_step {
		served = true;
#ifndef NO_LEASE
		served = served && now < lease;
#endif
#ifndef NO_OPEN_WRITE
		served = served && writers == 0;
#endif
#ifndef NO_HANDLE
		served = served && open_current;
#endif
	}
	if
	:: served ->
		/* The block is copied. */
		d_step {
			served = mapped;
			version = map_version;
			file = map_file;
#ifdef COMPARED_ONCE
			read_current = equal;
#else
			read_current = equal && equal_current;
#endif
		}
		if
		:: read_current
		:: else ->
			d_step {
				value = attr_version;
				read_current = attr_current;
			}
			d_step {
				served = served && read_current;
#ifndef NO_VERSION
				served = served && value == version;
#endif
				if
				:: served && map_file == file ->
					equal = true;
					equal_current = true
				:: else
				fi
			}
		fi;
		/* The module takes the file of that number, now or later. */
		d_step {
			value = files[file];
			served = served && value != NONE;
			read_current = false;
			version = 0;
			file = 0;
		}
	:: else
	fi
}

inline from_daemon(value)
{
	atomic {
		value = MAX(least, own);
		do
		:: value < CURRENT -> value++
		:: break
		od;
		assert(value >= shown);		/* back */
		value = 0;
	}
}

inline check(value, began, need, before)
{
	assert(value <= CURRENT);		/* wrong */
	assert(value >= need);			/* own, told */
	assert(value >= least);			/* open */
	assert(value >= shown);			/* back */
	assert(value >= truth || committed[value + 1] > began ||
	       began - committed[value + 1] < BOUND);
	if
	:: value <= before -> shown = MAX(shown, value)
	:: else
	fi
}

inline read(served, value, version, file, need, began, before)
{
	d_step {
		need = MAX(own, told);
		began = now;
		before = observed;
	}
	from_cache(served, value, version, file);
	d_step {
		if
		:: served ->
			check(value, began, need, before);
			/* The daemon reads the rest of the file. */
			served = !map_half;
#ifdef END
			assert(served);		/* short */
#endif
		:: else
		fi;
		need = 0; began = 0; before = 0; value = 0;
	}
	if
	:: !served -> from_daemon(value)
	:: else -> served = false
	fi
}

active proctype clock()
{
	do
	:: now < TICKS -> now++
	:: break
	od
}

#ifndef NO_OTHERS
active proctype other_client()
{
	byte n;

	do
	:: n < CHANGES -> atomic { n++; commit(); }
	:: break
	od
}
#endif

#ifdef WRITER
/* A file is opened for writing on this client, written and closed. */
active proctype writer()
{
	d_step { raised(); writers++; }		/* OPEN */
	raise();				/* WRITE is sent */
	dirty = truth + 1;
	raise();
	d_step { own = dirty; observed = dirty; }
	atomic { commit(); }			/* FLUSH */
	raise();
	raise();				/* RELEASE */
	writers--;
}
#endif

inline open()
{
	open_current = true;			/* OPEN is sent */
	least = MAX(truth, own);
#ifdef OPEN_LATE
	open_current = true;
#endif
#ifndef NO_OPEN_RAISE
	d_step { raised(); }
#endif
}

/*
 * The file is open from the beginning; with OPEN, it is opened here. With AGAIN, it
 * may be closed and opened once more: then by a handle that has seen no change.
 */
active proctype reader()
{
	byte n, value, version, file, need, began, before;
	bool served;
#ifdef AGAIN
	bool again;
#endif

#ifdef OPEN
	open();
#endif
	do
	:: n < READS ->
		n++;
		read(served, value, version, file, need, began, before)
#ifdef AGAIN
	:: !again -> again = true; open()
#endif
	:: break
	od
}

#ifdef REPORTS
/* notified(): the daemon reports a change, whether there was one or not. */
active proctype daemon()
{
	d_step { raised(); }
	d_step {
		open_saved = open_current;
		attr_saved = attr_content;
		renew_saved = renew_content;
		open_current = false;
		attr_content = false;
		stat_content = false;
		stat_after = false;
		renew_content = false;
		reported = true;
	}
}
#endif

#ifdef OPENER
/* The file is opened again, and this handle stays open. */
active proctype opener()
{
	d_step { raised(); }
}
#endif

/* Any process of this client. */
active proctype caller()
{
	byte n, value;

	do
	:: n < STATS -> n++; stat(value)
	:: break
	od
}

/* The thread of the agent that maps blocks (reads.c), with its own connection. */
active proctype mapper()
{
	byte n, version, value;
#ifdef RENEW
	bool again, unchanged;
#endif

end:	do
#ifdef RENEW
	/* programs_renew() */
	:: !again ->
		again = true;
#ifndef RENEW_LATE
		d_step { renew_current = true; renew_content = true; }
#endif
		version = truth;
#ifdef RENEW_LATE
		d_step { renew_current = true; renew_content = true; }
#endif
		d_step {
			value = attr_version;
			unchanged = attr_content;
#ifdef RENEW_ANY
			version = value;
#endif
		}
		if
		:: unchanged && value == version ->
			/* A program may have stored others meanwhile. */
			d_step {
				attr_version = value;
				attr_current = renew_current;
				attr_content = renew_content
#ifdef REPORTS
				; attr_saved = renew_saved
#endif
			}
		:: else
		fi;
		d_step { unchanged = false; value = 0; version = 0; }
#endif
	:: n < MAPS ->
		n++;
#ifdef NO_MULTI
		value = truth;
		version = truth;
#else
		d_step { value = truth; version = truth; }
#endif
#ifdef DAMAGE
		if
		:: value = DAMAGED
		:: true
		fi;
#endif
		if
#ifndef NO_CHECKSUM
		:: value == DAMAGED
		:: else ->
#else
		:: true ->
#endif
			/* The old file is removed from the module. */
			files[map_file] = NONE;
			atomic {
#ifndef REUSE
				last_file++;
#endif
				files[last_file] = value;
				mapped = true;
				evicted = false;
				map_version = version;
				map_file = last_file;
				equal = false;
				equal_current = false;
#ifdef HALF
				if
				:: map_half = true
				:: map_half = false
				fi
#endif
			}
		fi;
		d_step { value = 0; version = 0; }
#ifdef EVICTION
	/* JuiceFS removes the block file. */
	:: mapped && !evicted -> evicted = true
	/* sweep() */
	:: evicted ->
#ifndef KEEP
		d_step { mapped = false; equal = false; equal_current = false; }
#ifdef REUSE
		/* Another file's block takes the number. */
		files[map_file] = OTHER;
#else
		files[map_file] = NONE;
#endif
#endif
		assert(!mapped);		/* held */
		evicted = false
#endif
	:: break
	od
}

#ifdef NETWORK
active proctype network()
{
	mtype what;
	byte which;

	atomic {
		up = false;
		do
		:: wire?what,which
		:: empty(wire) -> break
		od;
		what = 0; which = 0;
	}
}
#endif

/* The main thread of the agent: pushes and the lease. */
active proctype agent()
{
	byte beats, which;

end:	do
	:: wire?PUSH,which ->
#ifndef NO_PUSH
		raise();
#endif
		d_step { observed = MAX(observed, which); which = 0; }
	:: wire?PONG,which ->
		d_step {
			lease = MAX(lease, which + BOUND);
			which = 0;
			pinging = false;
		}
	:: atomic { up && !pinging && beats < BEATS ->
		    beats++; pinging = true; wire!PONG,now; }
	:: atomic { !up -> up = true; pinging = false; which = truth; }
#ifndef NO_EPOCH
		d_step {
			raised();
			open_current = false;
			attr_content = false;
			stat_content = false;
			renew_content = false;
#ifdef REPORTS
			reported = false;
#endif
		}
#endif
		d_step { observed = MAX(observed, which); which = 0; }
	:: break			/* stopped, or killed: at any time */
	od
}
