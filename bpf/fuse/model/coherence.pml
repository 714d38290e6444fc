/* SPDX-License-Identifier: GPL-2.0 */
/*
 * coherence.pml - the protocol of efuse, for spin
 *
 * One inode, whose value is a version that only grows. Redis holds the current
 * version. Another client commits new versions there, and so does this client's
 * daemon for its own callers. Each step may be delayed by any time relative to
 * the others; the clock can tick at any time.
 *
 * A read must not miss
 *   own	a version whose change was completed on this client before the
 *		read began
 *   open	a version that was committed before an open() that came before
 *		the read
 *   bound	a version that was committed BOUND or more before it began
 *
 * With KERNEL, an answer from the cache also stays in the kernel for the rest of
 * the lease (--kernel-cache), and an open() of a file that is unchanged since its
 * last open() drops nothing. With PAUSE, the kernel is given a duration, as it
 * really is, and the task may be paused for up to PAUSE before the kernel makes a
 * time of it; MARGIN is subtracted from the duration.
 *
 * Each rule can be removed by -D: then a violation must be found.
 */
#ifndef BOUND
#define BOUND	1
#endif
#ifndef TICKS
#define TICKS	2
#endif
#define CHANGES	1		/* by each side */
#ifdef KERNEL
#ifdef OPENER
#define READS	1
#else
#define READS	3		/* fill, keep, and read what is kept */
#endif
#elif defined(OPENER) || defined(LISTER)
#define READS	1
#else
#define READS	2
#endif
#ifndef BEATS
#define BEATS	1
#endif
#ifndef MARGIN
#define MARGIN	0
#endif

mtype = { PUSH, PONG };

byte now;			/* clock */
byte truth;			/* committed version */
byte committed[2 * CHANGES + 2];	/* when, by version */

byte seq, gen, epoch;		/* as in efuse.h */
byte lease;			/* served while now < lease */
byte writers;			/* open for writing */
bool cached;
byte cache_value, cache_seen;

#ifdef KERNEL
bool kept;			/* the kernel's own copy */
byte kept_value, kept_until;
byte kept_version;		/* which replies are too old to be kept */
byte last_opened;		/* the version at the last open(), or 0 */
#endif

byte own;			/* newest version completed on this client */

bool up = true;			/* the connection, and it tracks */
bool broken;			/* it breaks once */
bool pinging;
chan wire = [2 * CHANGES + BEATS + 1] of { mtype, byte };

/*
 * With SPLIT, others can run between taking the number and writing it, as in
 * the programs: nobody overwrites a higher number.
 */
inline raise(word, next)
{
#ifdef SPLIT
	d_step { seq++; next = seq; }
	d_step { word = (word < next -> next : word); next = 0; }
#else
	d_step { seq++; word = seq; }
#endif
}

inline commit()
{
	truth++;
	committed[truth] = now;
	if
	:: up -> wire!PUSH,0
	:: else
	fi
}

inline check(value, began, need)
{
	assert(value >= need);
	/* value + 1 is the oldest version that was missed */
	assert(value >= truth || committed[value + 1] > began ||
	       began - committed[value + 1] < BOUND);
}

#ifdef KERNEL
/* The kernel drops its copy, and any that is on its way. */
inline drop()
{
	d_step { kept = false; kept_version++; }
}
#endif

/* Asks the program, and the daemon if the program does not answer. */
inline ask(value, seen, hit)
{
	d_step {
		hit = cached;
		value = cache_value;
		seen = cache_seen;
#ifndef NO_LEASE
		hit = hit && now < lease;
#endif
#ifndef NO_OPEN_WRITE
		hit = hit && writers == 0;
#endif
	}
	hit = hit && gen <= seen && epoch <= seen;
	if
	:: hit
	:: else ->
		seen = seq;
		value = truth;		/* the daemon asks Redis */
#ifdef FILL_RACE
		seen = seq;
#endif
		d_step {
			cached = true;
			cache_value = value;
			cache_seen = seen;
		}
	fi
}

#ifdef KERNEL
/* Like read(), but first from the kernel's copy. */
inline read(must, need, began, value, seen, hit)
{
	d_step { need = must; began = now; }
	d_step {
		hit = kept && now < kept_until;
		value = kept_value;
		version = kept_version;
	}
	if
	:: hit
	:: else ->
		/* The program reads the lease before it looks for the answer. */
#ifdef PAUSE
		d_step { until = lease; asked = now; }
#else
		until = lease;
#endif
		ask(value, seen, hit);
#ifdef LATE_LEASE
		until = lease;
#endif
		d_step {
			if
#ifdef PAUSE
			:: hit && version == kept_version &&
			   now - asked <= PAUSE ->
#else
			:: hit && version == kept_version ->
#endif
				kept = true;
				kept_value = value;
#ifdef LONG_GRANT
				kept_until = TICKS + 1;
#elif defined(PAUSE)
				kept_until = (until > asked + MARGIN ->
					      now + until - asked - MARGIN : 0);
#else
				kept_until = until;
#endif
			:: else
			fi
		}
	fi;
	d_step { check(value, began, need); need = 0; began = 0; value = 0;
		 seen = 0; hit = false; version = 0; until = 0; asked = 0; }
}
#define LOCALS	byte n, next, need, began, value, seen, opened, version, until, \
		     asked;						\
		bool hit
#else
inline read(must, need, began, value, seen, hit)
{
	d_step { need = must; began = now; }
	ask(value, seen, hit);
	d_step { check(value, began, need); need = 0; began = 0; value = 0;
		 seen = 0; hit = false; }
}
#define LOCALS	byte n, next, need, began, value, seen, opened; bool hit
#endif

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
	:: n < CHANGES -> atomic { commit(); n++; }
	:: break
	od
}
#endif

#ifndef NO_CHANGER
/* SETATTR and the like: complete when the daemon answers. */
active proctype changer()
{
	byte n, next, mine;

	do
	:: n < CHANGES ->
		n++;
		raise(gen, next);	/* at submit */
		atomic { commit(); mine = truth; }
#ifndef NO_RAISE_DONE
		raise(gen, next);	/* at completion */
#endif
#ifdef KERNEL
		drop();
#endif
		d_step { own = (own > mine -> own : mine); mine = 0; }
	:: break
	od
}

#endif

#ifdef WRITER
/*
 * A file that is open for writing: the daemon knows a new length that Redis
 * does not know, and no request shows the moment at which it changes.
 */
active proctype writer()
{
	byte next;

	writers++;
	raise(gen, next);
	d_step { truth++; committed[truth] = now; own = truth; }
	raise(gen, next);		/* FLUSH, RELEASE */
	writers--;
}
#endif

active proctype reader()
{
	LOCALS;

	do
	:: n < READS -> n++; read(own, need, began, value, seen, hit)
	:: break
	od
}

#ifdef OPENER
/* open(), then fstat() or read() */
active proctype opener()
{
	LOCALS;

#ifdef KERNEL
	do
	:: n < 2 ->
		n++;
		opened = truth;		/* the daemon asks Redis */
		if
#ifdef KEEP_ALL
		:: true
#else
		:: last_opened == opened + 1	/* FOPEN_KEEP_CACHE */
#endif
		:: last_opened != opened + 1 ->
			/* JuiceFS notifies the kernel before it replies. */
#ifdef DROP_FIRST
			drop();
#endif
			raise(gen, next);
#if !defined(NO_NOTIFY) && !defined(DROP_FIRST)
			drop()
#endif
		fi;
		last_opened = opened + 1;
		read(opened, need, began, value, seen, hit)
	:: break
	od
#else
	opened = truth;			/* the daemon asks Redis */
#ifndef NO_OPEN_RAISE
	raise(gen, next);
#endif
	read(opened, need, began, value, seen, hit)
#endif
}
#endif

#ifdef LISTER
/*
 * A directory is listed in several requests, and the daemon answers them all
 * from what it fetched for the first.
 */
active proctype lister()
{
	byte value, seen;

	seen = seq;			/* OPENDIR is sent */
	value = truth;			/* the daemon asks Redis */
#ifdef LIST_LATE
	seen = seq;			/* a later request is sent */
#endif
	d_step {
		cached = true;
		cache_value = value;
		cache_seen = seen;
	}
}
#endif

#ifndef CONNECTED
active proctype network()
{
	mtype what;
	byte when;

	if
	:: atomic {
		up = false;
		broken = true;
		do
		:: wire?what,when
		:: empty(wire) -> break
		od;
		what = 0; when = 0;
	   }
	:: true				/* or it never breaks */
	fi
}
#endif

active proctype agent()
{
	byte beats, next, when;

end:	do
	:: wire?PUSH,_ ->
#ifndef NO_PUSH
		raise(gen, next);
#if defined(KERNEL) && !defined(NO_DROP)
		drop()
#endif
#else
		skip
#endif
	:: wire?PONG,when ->
#ifdef RENEW_FROM_REPLY
		when = now;
#endif
		d_step {
			lease = (when + BOUND > lease -> when + BOUND : lease);
			when = 0;
			pinging = false;
		}
	/*
	 * Redis answers immediately. If it took longer, even more pushes
	 * would precede the answer.
	 */
	:: atomic { up && !pinging && beats < BEATS ->
		    beats++; pinging = true; wire!PONG,now; }
#ifdef RENEW_ALWAYS
	:: atomic { now < TICKS -> lease = now + BOUND; }
#endif
	:: atomic { !up -> up = true; pinging = false; }
#ifndef NO_EPOCH
		raise(epoch, next)
#endif
	:: break			/* stopped, or killed: at any time */
	od
}
