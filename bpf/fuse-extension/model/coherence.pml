/* SPDX-License-Identifier: GPL-2.0 */
/*
 * coherence.pml - the protocol of efuse, for spin
 *
 * One inode, whose value is a version that only grows. Redis holds the truth.
 * Another client commits new versions there; this client's daemon does too,
 * for its own callers. Each step may be delayed for any time against each
 * other one; the clock ticks whenever it likes.
 *
 * A read must not miss
 *   own	a version whose change was completed on this client before the
 *		read began
 *   open	a version that was committed before an open() that came before
 *		the read
 *   bound	a version that was committed BOUND or more before it began
 *
 * Each rule can be taken away by -D: then a violation must be found.
 */
#ifndef BOUND
#define BOUND	2
#endif
#define TICKS	5
#define CHANGES	2		/* by each side */
#define READS	2
#define BEATS	3

mtype = { PUSH, PONG };

byte now;			/* clock */
byte truth;			/* committed version */
byte committed[2 * CHANGES + 1];	/* when, by version */

byte seq, gen, epoch;		/* as in efuse.h */
byte lease;			/* served while now < lease */
byte writers;			/* open for writing */
bool cached;
byte cache_value, cache_seen;

byte own;			/* newest version completed on this client */

bool up = true;			/* the connection, and it tracks */
bool broken;			/* it breaks once */
bool pinging;
byte ping_sent;
chan wire = [2 * CHANGES + BEATS + 1] of { mtype, byte };

inline raise(word, next)
{
	atomic { seq++; next = seq; }
	/* others may raise in between: never write a lower one */
	atomic { if :: word < next -> word = next :: else fi; next = 0; }
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

inline read(must, need, began, value, seen, hit)
{
	d_step { need = must; began = now; }
	hit = false;
	atomic {
		if
		:: cached -> value = cache_value; seen = cache_seen; hit = true
		:: else
		fi
	}
#ifndef NO_LEASE
	hit = hit && now < lease;
#endif
#ifndef NO_OPEN_WRITE
	hit = hit && writers == 0;
#endif
	hit = hit && gen <= seen;
	hit = hit && epoch <= seen;
	if
	:: hit
	:: else ->
		seen = seq;
		value = truth;		/* the daemon asks Redis */
#ifdef FILL_RACE
		seen = seq;
#endif
		atomic {
			cached = true;
			cache_value = value;
			cache_seen = seen;
		}
	fi;
	d_step { check(value, began, need); need = 0; began = 0; value = 0;
		 seen = 0; hit = false; }
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
	:: n < CHANGES -> atomic { commit(); n++; }
	:: break
	od
}
#endif

/* SETATTR and the like: made when the daemon answers. */
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
		d_step { own = (own > mine -> own : mine); mine = 0; }
	:: break
	od
}

#ifdef WRITER
/*
 * A file that is open for writing: the daemon knows a new length that Redis
 * does not, and no request tells of the moment at which it changes.
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

active [2] proctype reader()
{
	byte n, need, began, value, seen;
	bool hit;

	do
	:: n < READS -> n++; read(own, need, began, value, seen, hit)
	:: break
	od
}

/* open(), then fstat() or read() */
active proctype opener()
{
	byte next, need, began, value, seen, opened;
	bool hit;

	opened = truth;			/* the daemon asks Redis */
#ifndef NO_OPEN_RAISE
	raise(gen, next);
#endif
	read(opened, need, began, value, seen, hit)
}

active proctype redis()
{
end:	do
	:: atomic { pinging && up && ping_sent != 255 ->
		    wire!PONG,ping_sent; ping_sent = 255 }
	od
}

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

active proctype agent()
{
	byte beats, next, when;

end:	do
	:: wire?PUSH,_ ->
#ifndef NO_PUSH
		raise(gen, next)
#else
		skip
#endif
	:: wire?PONG,when ->
#ifdef RENEW_FROM_REPLY
		when = now;
#endif
		atomic {
			if
			:: when + BOUND > lease -> lease = when + BOUND
			:: else
			fi;
			when = 0;
		}
		pinging = false
	:: atomic { up && !pinging && beats < BEATS ->
		    beats++; pinging = true; ping_sent = now; }
#ifdef EARLY_RENEWAL
		atomic { lease = now + BOUND; }
#endif
#ifdef RENEW_ALWAYS
	:: atomic { now < TICKS -> lease = now + BOUND; }
#endif
	:: atomic { !up -> up = true; pinging = false; ping_sent = 0; }
#ifndef NO_EPOCH
		raise(epoch, next)
#endif
	:: break			/* stopped, or killed: at any time */
	od
}
