// SPDX-License-Identifier: GPL-2.0
/* thread.c - starts the agent's other threads */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"

void start_thread(pthread_t *thread, void *(*work)(void *))
{
	sigset_t all, old;
	pthread_attr_t attr;
	int err;

	/* All memory is locked, and so would be a stack of default size. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 512 << 10);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(thread, &attr, work, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		fatal("cannot start a thread: %s", strerror(err));
}
