// SPDX-License-Identifier: GPL-2.0
/*
 * schain_target.c - dm target "storage-chain": a door, in which one read
 * follows a chain of nodes
 *
 *	0 2048 storage-chain DEV START LENGTH NODE HOPS MODE PROGRAM [crc]
 *
 * The door itself stores nothing: a read from it carries a request
 * (schain_abi.h). Each node that arrives from the data area (LENGTH sectors of
 * DEV from START on) is passed to a BPF program, which returns that the lookup
 * is done or which node is next. The next node is read into the same buffer.
 * The caller sees only the arrival of the last one.
 *
 * Who requests the next node depends on the context in which the previous one
 * arrived (schain_go_on()). A worker is always correct, and is used unless
 * another way is known to be safe.
 */
#include <linux/blk-integrity.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/version.h>
#include "schain.h"
#include "schain_crc.h"

#define CREATE_TRACE_POINTS
#include "schain_trace.h"

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define trace_schain_step		trace_schain_step_tp
#define trace_schain_step_enabled	trace_schain_step_tp_enabled
#endif

/* Newer kernels require this; it is not a macro. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define PER_CPU WQ_PERCPU
#else
#define PER_CPU 0
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define OPEN_WRITE BLK_OPEN_WRITE
#else
#define OPEN_WRITE FMODE_WRITE
#endif

/* A request that an I/O scheduler manages. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define SCHEDULED (RQF_SCHED_TAGS | RQF_USE_SCHED)
#else
#define SCHEDULED RQF_ELV
#endif

#define RETRIES 3	/* after a missed run of a program */

#ifdef SCHAIN_FAULTS
unsigned int schain_faults;
module_param_named_unsafe(faults, schain_faults, uint, 0600);
static atomic_t missed;
#endif

static bool any_driver;
module_param_unsafe(any_driver, bool, 0600);
MODULE_PARM_DESC(any_driver, "allow mode irq on any driver; for tests");

enum counter {
	COUNT_CHAINS, COUNT_READS, COUNT_NEXT, COUNT_DONE, COUNT_PROGRAM_ERROR,
	COUNT_NO_PROGRAM, COUNT_MISS, COUNT_LIMIT, COUNT_RANGE, COUNT_IO_ERROR,
	COUNT_REJECT, COUNT_BOUNCE, COUNT_STOPPED, COUNT_AGAIN, COUNT_WORKER,
	COUNT_INLINE, COUNT_POLLED, COUNT_INTERRUPT, COUNT_DIRECT, COUNT_KEPT,
	COUNT_AT_TASK, COUNT_AT_SOFTIRQ, COUNT_AT_HARDIRQ, COUNTERS,
};

static const char * const counter_names[COUNTERS] = {
	"chains", "reads", "next", "done", "program_error",
	"no_program", "miss", "limit", "range", "io_error",
	"reject", "bounce", "stopped", "again", "worker",
	"inline", "polled", "interrupt", "direct", "kept",
	"at_task", "at_softirq", "at_hardirq",
};

struct schain_counters {
	u64 n[COUNTERS];
};

struct schain {
	struct dm_dev *dev;
	sector_t start;
	sector_t length;
	sector_t align;			/* size of a node minus one */
	u32 node_max;
	u32 max_hops;
	enum schain_mode mode;
	bool crc;
	bool direct;			/* the driver accepts our requests */
	bool stopping;
	struct schain_program *program;
	struct workqueue_struct *wq;
	struct schain_counters __percpu *counters;
};

static const char * const mode_names[] = { "wq", "poll", "irq" };

/* A request, in dm's per-bio data: one exists for each clone anyway. */
struct schain_io {
	struct schain_step step;
	struct schain *sc;
	struct bio *bio;
	struct work_struct work;
	struct bvec_iter iter;		/* destination of nodes */
	bio_end_io_t *end_io;		/* dm's, while the request is ours */
	struct page *header_page;
	u32 header_offset;
	u32 max_hops;
	unsigned short bio_flags;
	u8 missed;
	bool chain;			/* false: ended, or never a chain */
	bool polled;			/* as the caller submitted it */
	bool nowait;			/* we submitted this read with NOWAIT */
	bool rerun;			/* the worker first runs the program */
	bool bounced;			/* step.node is our copy */
};

static void count(struct schain *sc, enum counter which)
{
	this_cpu_inc(sc->counters->n[which]);
}

static struct schain_crc crc_table;

static u32 node_crc(const void *node, u32 len)
{
	if (len == SCHAIN_NODE)
		return schain_crc_node(&crc_table, node);
	return ~schain_crc_words(~0u, node + SCHAIN_CRC_FROM,
				 len - SCHAIN_CRC_FROM);
}

/* Returns whether there is a program; its verdict is in out.verdict. */
static bool run_program(struct schain *sc, struct schain_io *io)
{
	struct schain_out *out = &io->step.ctx.out;
	struct schain_ops *ops;
	bool run = false;

	out->verdict = fault(FAULT_NO_NOTRUN) ? SCHAIN_DONE : SCHAIN_NOTRUN;
	out->error = 0;
	out->next = 0;
#ifdef SCHAIN_FAULTS
	if (fault(FAULT_MISS) && atomic_inc_return(&missed) & 1)
		return true;
#endif
	rcu_read_lock();
	ops = rcu_dereference(sc->program->ops);
	if (ops) {
		/* Kept where the program cannot write: it must return it. */
		int verdict = ops->step(&io->step);

		out->verdict = verdict;
		run = true;
	}
	rcu_read_unlock();
	if (run || !trace_schain_step_enabled())
		return run;
	trace_schain_step(&io->step.ctx, io->step.node);
	return true;
}

/* Writes the answer; ends the chain. */
static void finish(struct schain_io *io, int status)
{
	const struct schain_ctx *ctx = &io->step.ctx;
	void *page = kmap_local_page(io->header_page);
	struct schain_request *rq = page + io->header_offset;

	rq->status = status;
	rq->hops = ctx->hop;
	rq->last = ctx->sector;
	memcpy(rq->scratch, ctx->out.scratch, sizeof(rq->scratch));
	kunmap_local(page);
	if (io->bounced)
		kfree(io->step.node);
	io->bounced = false;
	io->chain = false;
}

static void finish_counted(struct schain_io *io, int status, enum counter which)
{
	count(io->sc, which);
	finish(io, status);
}

/* Makes the clone a read of the node at ctx.sector. */
static void prepare(struct schain_io *io, bool nowait)
{
	struct bio *bio = io->bio;

	/*
	 * Completion leaves bi_next as a merge with other bios has set it, and
	 * the fields below with their final values.
	 */
	if (!fault(FAULT_STALE_NEXT))
		bio->bi_next = NULL;
	bio->bi_iter = io->iter;
	bio->bi_iter.bi_sector = io->sc->start + io->step.ctx.sector;
	bio->bi_flags = io->bio_flags;
	bio->bi_status = BLK_STS_OK;
	atomic_set(&bio->__bi_remaining, 1);
	if (nowait)
		bio->bi_opf |= REQ_NOWAIT;
	else
		bio->bi_opf &= ~REQ_NOWAIT;
	io->nowait = nowait;
	count(io->sc, COUNT_READS);
}

static void submit(struct schain_io *io, bool nowait)
{
	prepare(io, nowait);
	dm_submit_bio_remap(io->bio, NULL);
}

static rq_end_io_fn request_end;

/* request_end() follows. */
static void bio_end(struct bio *bio)
{
}

/* Sends the clone to the driver in this request; false if there is no room. */
static bool issue(struct request *rq, struct bio *bio)
{
	/* The block layer would queue it, and run the queue at once. */
	if (blk_queue_quiesced(rq->q))
		return false;
	rq->bio = bio;
	rq->biotail = bio;
	rq->__data_len = bio->bi_iter.bi_size;
	rq->__sector = get_start_sect(bio->bi_bdev) + bio->bi_iter.bi_sector;
	if (!blk_insert_cloned_request(rq))
		return true;
	rq->bio = NULL;
	rq->biotail = NULL;
	return false;
}

/*
 * Sends the clone to the driver in a new request; false if there is no room.
 * With `keep`, request_end() may send it again for the next node.
 */
static bool issue_new(struct schain_io *io, bool keep)
{
	struct bio *bio = io->bio;
	struct request *rq = blk_mq_alloc_request(bdev_get_queue(bio->bi_bdev),
						  bio->bi_opf,
						  BLK_MQ_REQ_NOWAIT);

	if (IS_ERR(rq))
		return false;
	/* A scheduler must insert its requests itself. */
	if (rq->rq_flags & SCHEDULED)
		goto free;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	rq->ioprio = bio->bi_ioprio;
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	rq->phys_gap_bit = 0;
#endif
	if (keep) {
		rq->end_io = request_end;
		rq->end_io_data = io;
		io->end_io = bio->bi_end_io;
		bio->bi_end_io = bio_end;
	}
	if (issue(rq, bio))
		return true;
	if (keep)
		bio->bi_end_io = io->end_io;
free:
	blk_mq_free_request(rq);
	return false;
}

/* Sends a request that has ended to the driver again, with its tag. */
static bool issue_again(struct request *rq, struct bio *bio)
{
	/* What completion leaves behind, and a new request does not have. */
	rq->rq_flags &= ~(RQF_DONTPREP | RQF_STATS | RQF_TIMED_OUT);
	WRITE_ONCE(rq->state, MQ_RQ_IDLE);
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
	/* For the disk's statistics; newer kernels set it themselves. */
	if (rq->rq_flags & RQF_IO_STAT)
		rq->start_time_ns = ktime_get_ns();
#endif
	return issue(rq, bio);
}

/*
 * Submits the clone without waiting. If there is no room, it ends with
 * BLK_STS_AGAIN, and a worker submits it again.
 *
 * A request of our own goes to the driver directly, which saves most of the
 * block layer's work for a bio. The skipped steps are not needed here: the
 * sector is in the data area; a node in one piece needs no split; there is no
 * scheduler; and the loader refuses a device with cgroup limits.
 */
static void submit_nowait(struct schain_io *io, bool keep)
{
	struct schain *sc = io->sc;
	bool direct = sc->direct && !io->bounced &&
		      !bdev_get_queue(sc->dev->bdev)->elevator;

	prepare(io, true);
	if (fault(FAULT_AGAIN)) {
		bio_wouldblock_error(io->bio);
	} else if (direct || fault(FAULT_DIRECT)) {
		count(sc, COUNT_DIRECT);
		if (!issue_new(io, keep))
			bio_wouldblock_error(io->bio);
	} else {
		dm_submit_bio_remap(io->bio, NULL);
	}
}

/* Copies a node that crosses pages into one piece for the program. */
static void gather(struct schain_io *io)
{
	void *to = (void *)io->step.node;
	struct bvec_iter iter;
	struct bio_vec part;

	__bio_for_each_segment(part, io->bio, iter, io->iter) {
		memcpy_from_bvec(to, &part);
		to += part.bv_len;
	}
	count(io->sc, COUNT_BOUNCE);
}

enum outcome {
	OVER,	/* the answer is written */
	GO_ON,	/* read the node at ctx.sector */
	WORKER,	/* a worker goes on: runs the program, or submits again */
};

static bool in_area(const struct schain *sc, u64 sector, u32 len)
{
	return sector < sc->length && sc->length - sector >= len >> SECTOR_SHIFT &&
	       !(sector & sc->align);
}

static enum outcome follow(struct schain_io *io)
{
	struct schain_ctx *ctx = &io->step.ctx;
	struct schain *sc = io->sc;
	enum counter why;
	int status;

	if (!in_area(sc, ctx->out.next, ctx->len) && !fault(FAULT_NO_BOUNDS)) {
		status = -ERANGE;
		why = COUNT_RANGE;
	} else if (ctx->hop >= io->max_hops && !fault(FAULT_NO_LIMIT)) {
		status = -ELOOP;
		why = COUNT_LIMIT;
	} else if (READ_ONCE(sc->stopping) && !fault(FAULT_NO_STOP)) {
		status = -ESHUTDOWN;
		why = COUNT_STOPPED;
	} else {
		ctx->sector = ctx->out.next;
		count(sc, COUNT_NEXT);
		return GO_ON;
	}
	finish_counted(io, status, why);
	return OVER;
}

static enum outcome look_at_node(struct schain_io *io)
{
	struct schain_ctx *ctx = &io->step.ctx;
	struct schain *sc = io->sc;
	bool run;

	if (io->bounced && !fault(FAULT_NO_BOUNCE))
		gather(io);
	if (sc->crc && !fault(FAULT_NO_CRC)) {
		ctx->crc = node_crc(io->step.node, ctx->len);
		ctx->flags |= SCHAIN_F_CRC;
	}
	run = run_program(sc, io);
	switch (ctx->out.verdict) {
	case SCHAIN_NEXT:
		return follow(io);
	case SCHAIN_DONE:
		finish_counted(io, 0, COUNT_DONE);
		return OVER;
	case SCHAIN_NOTRUN:
		if (run && io->missed++ < RETRIES && !fault(FAULT_NO_RETRY)) {
			count(sc, COUNT_MISS);
			io->rerun = true;
			return WORKER;
		}
		finish_counted(io, -ENOEXEC, COUNT_NO_PROGRAM);
		return OVER;
	default:
		finish_counted(io, IS_ERR_VALUE((long)ctx->out.error) ?
			       ctx->out.error : -EBADMSG, COUNT_PROGRAM_ERROR);
		return OVER;
	}
}

/* A read of the clone has ended; *error becomes the chain's. */
static enum outcome node_ended(struct schain_io *io, blk_status_t *error)
{
	struct schain *sc = io->sc;

	if (fault(FAULT_AGAIN_FAILS) && *error == BLK_STS_AGAIN)
		*error = BLK_STS_IOERR;
	/*
	 * dm itself would submit a polled bio again, but it uses the bio after
	 * it has passed it to its worker, which may have ended it.
	 */
	if (*error == BLK_STS_AGAIN && (io->nowait || io->polled)) {
		count(sc, COUNT_AGAIN);
		return WORKER;
	}
	if (fault(FAULT_NO_ERROR))
		*error = BLK_STS_OK;
	if (*error) {
		finish_counted(io, blk_status_to_errno(*error), COUNT_IO_ERROR);
		return OVER;
	}
	io->step.ctx.hop++;
	io->missed = 0;
	io->nowait = false;
	count(sc, in_hardirq() ? COUNT_AT_HARDIRQ :
		  in_serving_softirq() ? COUNT_AT_SOFTIRQ : COUNT_AT_TASK);
	return look_at_node(io);
}

/* dm has been told that the clone is incomplete; now it is complete. */
static void end_clone(struct bio *bio, blk_status_t status)
{
	bio->bi_status = status;
	bio->bi_end_io(bio);
}

static void work(struct work_struct *work)
{
	struct schain_io *io = container_of(work, struct schain_io, work);

	while (io->rerun) {
		io->rerun = false;
		if (look_at_node(io) == OVER) {
			end_clone(io->bio, BLK_STS_OK);
			return;
		}
	}
	count(io->sc, COUNT_WORKER);
	submit(io, false);
}

/*
 * The block layer takes ordinary spinlocks, which it does not expect an
 * interrupt to take. An interrupt of the idle task, which holds no locks,
 * cannot deadlock on a lock of the interrupted task; other holders continue to
 * run.
 */
static bool over_idle(void)
{
	return in_hardirq() && hardirq_count() == HARDIRQ_OFFSET &&
	       !softirq_count() && !in_nmi() && is_idle_task(current) &&
	       !current->bio_list && !current->plug;
}

static bool irq_may_submit(const struct schain *sc)
{
	return sc->mode == SCHAIN_IRQ && over_idle() &&
	       !bdev_get_queue(sc->dev->bdev)->elevator;
}

/*
 * The end of a request that issue_new() made for mode irq, after bio_end(). If
 * the chain goes on, the request is sent again, which saves giving back its tag
 * and getting another one. The driver calls this function in its loop over the
 * completion queue, without a lock (not so for polled queues, whose requests
 * therefore have no end_io).
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
static enum rq_end_io_ret request_end(struct request *rq, blk_status_t error,
				      const struct io_comp_batch *iob)
#else
static enum rq_end_io_ret request_end(struct request *rq, blk_status_t error)
#endif
{
	struct schain_io *io = rq->end_io_data;
	struct schain *sc = io->sc;
	struct bio *bio = io->bio;
	enum outcome outcome = node_ended(io, &error);

	if (outcome == GO_ON && irq_may_submit(sc)) {
		count(sc, COUNT_INTERRUPT);
		count(sc, COUNT_DIRECT);
		count(sc, COUNT_KEPT);
		prepare(io, true);
		if (!fault(FAULT_AGAIN) && issue_again(rq, bio))
			return RQ_END_IO_NONE;
		count(sc, COUNT_AGAIN);
	}
	bio->bi_end_io = io->end_io;
	if (outcome == OVER)
		end_clone(bio, error);
	else
		queue_work(sc->wq, &io->work);
	return RQ_END_IO_FREE;
}

static bool no_locks_held(void)
{
	return IS_ENABLED(CONFIG_PREEMPT_COUNT) && in_task() &&
	       !irqs_disabled() && !preempt_count();
}

static void go_on(struct schain_io *io)
{
	struct schain *sc = io->sc;

	if (no_locks_held() && current->bio_list) {
		/* Within submit_bio(), which submits what is on this list next. */
		count(sc, COUNT_INLINE);
		submit(io, false);
	} else if (sc->mode == SCHAIN_POLL && io->bio->bi_opf & REQ_POLLED &&
		   no_locks_held()) {
		count(sc, COUNT_POLLED);
		submit_nowait(io, false);
	} else if (irq_may_submit(sc)) {
		count(sc, COUNT_INTERRUPT);
		submit_nowait(io, true);
	} else if (sc->mode == SCHAIN_IRQ && fault(FAULT_BUSY_IRQ) &&
		   in_hardirq()) {
		/* Only counted: the interrupted task may hold the driver's lock. */
		count(sc, COUNT_INTERRUPT);
		queue_work(sc->wq, &io->work);
	} else {
		queue_work(sc->wq, &io->work);
	}
}

static int schain_end_io(struct dm_target *ti, struct bio *bio,
			 blk_status_t *error)
{
	struct schain_io *io = dm_per_bio_data(bio, sizeof(*io));

	if (!io->chain)
		return DM_ENDIO_DONE;
	switch (node_ended(io, error)) {
	case OVER:
		return DM_ENDIO_DONE;
	case GO_ON:
		go_on(io);
		return DM_ENDIO_INCOMPLETE;
	default:
		queue_work(io->sc->wq, &io->work);
		return DM_ENDIO_INCOMPLETE;
	}
}

/*
 * A page of a block device's page cache belongs to a buffered read, which is
 * never a request.
 */
static bool is_page_cache(struct page *page)
{
	struct address_space *mapping = folio_mapping(page_folio(page));

	return mapping && mapping->host && S_ISBLK(mapping->host->i_mode);
}

/* Reads the request at the start of a bio, if it is one. */
static bool read_header(const struct schain *sc, const struct bio *bio,
			const struct bio_vec *at, struct schain_request *rq)
{
	u32 size = bio->bi_iter.bi_size, len = size - SCHAIN_HEADER;
	void *page;

	if (bio_op(bio) != REQ_OP_READ || size <= SCHAIN_HEADER ||
	    len > sc->node_max || (len >> SECTOR_SHIFT) & sc->align ||
	    at->bv_len < SCHAIN_HEADER || is_page_cache(at->bv_page))
		return false;
	page = kmap_local_page(at->bv_page);
	memcpy(rq, page + at->bv_offset, sizeof(*rq));
	kunmap_local(page);
	return rq->magic == SCHAIN_MAGIC && rq->version == SCHAIN_ABI &&
	       in_area(sc, rq->start, len);
}

static void init_io(struct schain_io *io, struct schain *sc, struct bio *bio,
		    const struct bio_vec *header,
		    const struct schain_request *rq)
{
	io->sc = sc;
	io->bio = bio;
	io->header_page = header->bv_page;
	io->header_offset = header->bv_offset;
	io->max_hops = min(rq->max_hops ?: sc->max_hops, sc->max_hops);
	io->missed = 0;
	io->polled = bio->bi_opf & REQ_POLLED;
	io->nowait = false;
	io->rerun = false;
	io->bounced = false;
	INIT_WORK(&io->work, work);
	io->step.ctx = (struct schain_ctx) {
		.abi = SCHAIN_ABI,
		.program = sc->program->name,
		.sector = rq->start,
		.len = bio->bi_iter.bi_size - SCHAIN_HEADER,
	};
	memcpy(io->step.ctx.arg, rq->arg, sizeof(rq->arg));
}

static int schain_map(struct dm_target *ti, struct bio *bio)
{
	struct schain_io *io = dm_per_bio_data(bio, sizeof(*io));
	struct bio_vec at = bio_iter_iovec(bio, bio->bi_iter);
	struct schain *sc = ti->private;
	struct schain_request rq;
	u32 len;

	io->chain = false;
	if (!read_header(sc, bio, &at, &rq)) {
		count(sc, COUNT_REJECT);
		return DM_MAPIO_KILL;
	}
	init_io(io, sc, bio, &at, &rq);
	bio_advance(bio, SCHAIN_HEADER);
	io->iter = bio->bi_iter;
	len = io->step.ctx.len;
	at = mp_bvec_iter_bvec(bio->bi_io_vec, bio->bi_iter);
	if (at.bv_len >= len && !PageHighMem(at.bv_page)) {
		io->step.node = page_address(at.bv_page) + at.bv_offset;
	} else {
		io->step.node = kmalloc(len, GFP_NOIO | __GFP_NOWARN);
		if (!io->step.node)
			return DM_MAPIO_KILL;
		io->bounced = true;
	}
	bio_set_dev(bio, sc->dev->bdev);
	bio->bi_iter.bi_sector = sc->start + rq.start;
	io->bio_flags = bio->bi_flags;
	io->chain = true;
	count(sc, COUNT_CHAINS);
	count(sc, COUNT_READS);
	return DM_MAPIO_REMAPPED;
}

/* Why the driver is not known to accept requests in any context; NULL if it is. */
static const char *driver_refusal(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);
	struct device *dev = disk_to_dev(bdev->bd_disk)->parent;
	char symbol[KSYM_SYMBOL_LEN];

	if (any_driver)
		return NULL;
	if (!q->mq_ops)
		return "mode irq needs a local NVMe device, without multipath";
	sprint_symbol(symbol, (unsigned long)q->mq_ops->queue_rq);
	if (strncmp(symbol, "nvme_queue_rq+0x0/", 18))
		return "mode irq needs the driver of NVMe over PCI";
	dev = dev ? dev->parent : NULL;
	if (!dev || dev->bus != &pci_bus_type || !dev->driver ||
	    strcmp(dev->driver->name, "nvme"))
		return "mode irq needs a device of the driver nvme on PCI";
	return NULL;
}

/* Why a device cannot be used in mode irq; NULL if it can. */
static const char *irq_refusal(struct block_device *bdev)
{
	if (bdev_get_queue(bdev)->elevator)
		return "mode irq needs I/O scheduler none";
	return driver_refusal(bdev);
}

static bool can_go_direct(struct block_device *bdev)
{
	return !driver_refusal(bdev) && !blk_get_integrity(bdev->bd_disk);
}

static bool can_poll(struct block_device *bdev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	return bdev_get_queue(bdev)->limits.features & BLK_FEAT_POLL;
#else
	return test_bit(QUEUE_FLAG_POLL, &bdev_get_queue(bdev)->queue_flags);
#endif
}

static const char *mode_refusal(enum schain_mode mode,
				struct block_device *bdev)
{
	if (mode == SCHAIN_IRQ)
		return irq_refusal(bdev);
	if (mode == SCHAIN_POLL && !can_poll(bdev))
		return "mode poll needs a device with poll queues (nvme.poll_queues=1)";
	return NULL;
}

static void schain_free(struct schain *sc)
{
	if (sc->wq)
		destroy_workqueue(sc->wq);
	if (sc->program)
		schain_program_put(sc->program);
	free_percpu(sc->counters);
	kfree(sc);
}

/* Parses the words of the table; returns NULL, or an error message. */
static char *parse(struct schain *sc, unsigned int argc, char **argv)
{
	unsigned long long start, length;
	char name[8] = {};
	u64 program;
	int mode;

	if (argc < 7 || argc > 8)
		return "need DEV START LENGTH NODE HOPS MODE PROGRAM [crc]";
	if (kstrtoull(argv[1], 10, &start) || kstrtoull(argv[2], 10, &length) ||
	    !length || start + length < start)
		return "bad data area";
	if (kstrtou32(argv[3], 10, &sc->node_max) || !sc->node_max ||
	    sc->node_max > SCHAIN_NODE_MAX || sc->node_max % 512)
		return "node size must be a multiple of 512 up to 65536";
	if (kstrtou32(argv[4], 10, &sc->max_hops) || !sc->max_hops ||
	    sc->max_hops > SCHAIN_HOPS_MAX)
		return "hops must be 1 to 64";
	mode = match_string(mode_names, ARRAY_SIZE(mode_names), argv[5]);
	if (mode < 0)
		return "mode must be wq, poll or irq";
	if (!*argv[6] || strlen(argv[6]) > sizeof(name))
		return "program must be a name of 1 to 8 characters";
	if (argc == 8 && strcmp(argv[7], "crc"))
		return "the last word can only be crc";
	if (argc == 8 && !boot_cpu_has(X86_FEATURE_XMM4_2))
		return "crc needs a CPU with SSE 4.2";
	memcpy(name, argv[6], strlen(argv[6]));
	memcpy(&program, name, sizeof(program));
	sc->program = schain_program_get(program);
	if (!sc->program)
		return "out of memory";
	sc->start = start;
	sc->length = length;
	sc->mode = mode;
	sc->crc = argc == 8;
	return NULL;
}

static char *check_device(struct schain *sc)
{
	struct block_device *bdev = sc->dev->bdev;

	sc->align = (bdev_logical_block_size(bdev) >> SECTOR_SHIFT) - 1;
	if (sc->start + sc->length > bdev_nr_sectors(bdev))
		return "the data area ends after the device";
	if ((sc->start | sc->length | sc->node_max >> SECTOR_SHIFT) & sc->align)
		return "data area and nodes must be whole blocks of the device";
	sc->direct = can_go_direct(bdev);
	return (char *)mode_refusal(sc->mode, bdev);
}

static int schain_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct schain *sc;
	int err = -EINVAL;

	if (dm_table_get_mode(ti->table) & OPEN_WRITE) {
		ti->error = "a door must be read-only";
		return -EINVAL;
	}
	sc = kzalloc(sizeof(*sc), GFP_KERNEL);
	if (!sc)
		return -ENOMEM;
	ti->error = parse(sc, argc, argv);
	if (ti->error)
		goto free;
	err = -ENOMEM;
	ti->error = "out of memory";
	sc->counters = alloc_percpu(struct schain_counters);
	sc->wq = alloc_workqueue("storage-chain",
				 WQ_MEM_RECLAIM | WQ_HIGHPRI | PER_CPU, 0);
	if (!sc->counters || !sc->wq)
		goto free;
	err = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table),
			    &sc->dev);
	if (err) {
		ti->error = "the device cannot be opened (mounted, or in use?)";
		goto free;
	}
	ti->error = check_device(sc);
	if (ti->error) {
		dm_put_device(ti, sc->dev);
		err = -EINVAL;
		goto free;
	}
	ti->per_io_data_size = sizeof(struct schain_io);
	ti->accounts_remapped_io = true;
	ti->private = sc;
	return 0;
free:
	schain_free(sc);
	return err;
}

static void schain_dtr(struct dm_target *ti)
{
	struct schain *sc = ti->private;

	dm_put_device(ti, sc->dev);
	schain_free(sc);
}

/*
 * Ends chains at their next node, so that a suspension does not wait for them.
 */
static void schain_presuspend(struct dm_target *ti)
{
	struct schain *sc = ti->private;

	WRITE_ONCE(sc->stopping, true);
}

static void schain_presuspend_undo(struct dm_target *ti)
{
	struct schain *sc = ti->private;

	WRITE_ONCE(sc->stopping, false);
}

static void schain_resume(struct dm_target *ti)
{
	schain_presuspend_undo(ti);
}

static u64 total(const struct schain *sc, enum counter which)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(sc->counters, cpu)->n[which];
	return sum;
}

static void schain_status(struct dm_target *ti, status_type_t type,
			  unsigned int status_flags, char *result,
			  unsigned int maxlen)
{
	struct schain *sc = ti->private;
	unsigned int sz = 0;
	int i;

	switch (type) {
	case STATUSTYPE_INFO:
		DMEMIT("mode=%s", mode_names[sc->mode]);
		for (i = 0; i < COUNTERS; i++)
			DMEMIT(" %s=%llu", counter_names[i], total(sc, i));
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %llu %llu %u %u %s %.8s%s", sc->dev->name,
		       (u64)sc->start, (u64)sc->length, sc->node_max,
		       sc->max_hops, mode_names[sc->mode],
		       (const char *)&sc->program->name,
		       sc->crc ? " crc" : "");
		break;
	case STATUSTYPE_IMA:
		*result = 0;
		break;
	}
}

static int schain_message(struct dm_target *ti, unsigned int argc, char **argv,
			  char *result, unsigned int maxlen)
{
	struct schain *sc = ti->private;
	const char *refusal;
	int mode;

	if (argc != 2 || strcmp(argv[0], "mode"))
		return -EINVAL;
	mode = match_string(mode_names, ARRAY_SIZE(mode_names), argv[1]);
	if (mode < 0)
		return mode;
	refusal = mode_refusal(mode, sc->dev->bdev);
	if (refusal) {
		DMERR("%s", refusal);
		return -EOPNOTSUPP;
	}
	WRITE_ONCE(sc->direct, can_go_direct(sc->dev->bdev));
	WRITE_ONCE(sc->mode, mode);
	return 0;
}

static int schain_iterate_devices(struct dm_target *ti,
				  iterate_devices_callout_fn fn, void *data)
{
	struct schain *sc = ti->private;

	return fn(ti, sc->dev, sc->start, sc->length, data);
}

/* A request is larger than the read from the device by its header. */
static void schain_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	limits->logical_block_size = 512;
	limits->physical_block_size = 512;
	limits->io_min = 512;
	limits->virt_boundary_mask = 0;
}

static struct target_type schain_target = {
	.name = "storage-chain",
	.version = { 1, 0, 0 },
	.module = THIS_MODULE,
	.features = DM_TARGET_NOWAIT,
	.ctr = schain_ctr,
	.dtr = schain_dtr,
	.map = schain_map,
	.end_io = schain_end_io,
	.presuspend = schain_presuspend,
	.presuspend_undo = schain_presuspend_undo,
	.resume = schain_resume,
	.status = schain_status,
	.message = schain_message,
	.iterate_devices = schain_iterate_devices,
	.io_hints = schain_io_hints,
};

/* Read by the loader: whether programs can be attached by struct_ops. */
static bool struct_ops = true;
module_param(struct_ops, bool, 0444);
MODULE_PARM_DESC(struct_ops, "allow programs to be attached by struct_ops");

static int __init schain_init(void)
{
	if (boot_cpu_has(X86_FEATURE_XMM4_2))
		schain_crc_init(&crc_table);
	if (struct_ops && schain_ops_init())
		struct_ops = false;
	return dm_register_target(&schain_target);
}

static void __exit schain_exit(void)
{
	dm_unregister_target(&schain_target);
	tracepoint_synchronize_unregister();
}

module_init(schain_init);
module_exit(schain_exit);

MODULE_DESCRIPTION("Chains of dependent reads, followed by BPF programs");
MODULE_LICENSE("GPL");
