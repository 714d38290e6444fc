// SPDX-License-Identifier: GPL-2.0
/*
 * schain_disk.c - a disk in memory that takes a given time for a read, for
 * measurements: /dev/schaindisk
 *
 * It is a blk-mq device like NVMe: a request gets a tag, is started, and ends
 * in a hard interrupt (here of a timer) or, on its polled queue, when it is
 * polled after its time. The time includes copying the data.
 */
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

static unsigned int latency_ns = 3000;
module_param(latency_ns, uint, 0600);
static unsigned int mib = 64;
module_param(mib, uint, 0400);
static bool parts;
module_param(parts, bool, 0600);
MODULE_PARM_DESC(parts, "a read completes in two parts");
static bool cut;
module_param(cut, bool, 0600);
MODULE_PARM_DESC(cut, "the first half of a read is not copied; for a control");

struct disk_cmd {
	struct hrtimer timer;
	struct list_head list;
	ktime_t due;
};

/* Requests in flight on the polled queue. */
static LIST_HEAD(polled);
static DEFINE_SPINLOCK(polled_lock);

static char *memory;
static struct gendisk *disk;
static struct blk_mq_tag_set tags;

/*
 * A hard interrupt, like that of NVMe. HRTIMER_MODE_ABS_HARD would be the same
 * here, but lockdep would expect the timer to stay one with PREEMPT_RT.
 */
#define TIMER_MODE HRTIMER_MODE_ABS

static enum hrtimer_restart disk_timer(struct hrtimer *timer)
{
	struct disk_cmd *cmd = container_of(timer, struct disk_cmd, timer);
	struct request *rq = blk_mq_rq_from_pdu(cmd);

	if (parts && blk_rq_sectors(rq) > 1)
		blk_update_request(rq, BLK_STS_OK,
				   blk_rq_sectors(rq) / 2 << SECTOR_SHIFT);
	blk_mq_end_request(rq, BLK_STS_OK);
	return HRTIMER_NORESTART;
}

static void disk_copy(struct request *rq)
{
	char *at = memory + (blk_rq_pos(rq) << SECTOR_SHIFT);
	bool reading = rq_data_dir(rq) == READ;
	unsigned int skip = cut && reading ? blk_rq_bytes(rq) / 2 : 0;
	struct req_iterator iter;
	struct bio_vec segment;

	rq_for_each_segment(segment, rq, iter) {
		struct bio_vec part = segment;
		unsigned int skipped = min(part.bv_len, skip);

		part.bv_offset += skipped;
		part.bv_len -= skipped;
		skip -= skipped;
		at += skipped;
		if (reading)
			memcpy_to_bvec(&part, at);
		else
			memcpy_from_bvec(at, &part);
		at += part.bv_len;
	}
}

static blk_status_t disk_queue_rq(struct blk_mq_hw_ctx *hctx,
				  const struct blk_mq_queue_data *bd)
{
	struct request *rq = bd->rq;
	struct disk_cmd *cmd = blk_mq_rq_to_pdu(rq);

	cmd->due = ktime_add_ns(ktime_get(), latency_ns);
	blk_mq_start_request(rq);
	if (req_op(rq) != REQ_OP_READ && req_op(rq) != REQ_OP_WRITE) {
		blk_mq_end_request(rq, req_op(rq) == REQ_OP_FLUSH ?
				   BLK_STS_OK : BLK_STS_NOTSUPP);
		return BLK_STS_OK;
	}
	disk_copy(rq);
	if (hctx->type == HCTX_TYPE_POLL) {
		spin_lock(&polled_lock);
		list_add_tail(&cmd->list, &polled);
		spin_unlock(&polled_lock);
	} else {
		hrtimer_start(&cmd->timer, cmd->due, TIMER_MODE);
	}
	return BLK_STS_OK;
}

static void disk_end_batch(struct io_comp_batch *iob)
{
	blk_mq_end_request_batch(iob);
}

/* Like nvme_poll(): adds finished requests to the caller's batch. */
static int disk_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob)
{
	ktime_t now = ktime_get();
	struct disk_cmd *cmd;
	LIST_HEAD(done);
	int n = 0;

	spin_lock(&polled_lock);
	while (!list_empty(&polled)) {
		cmd = list_first_entry(&polled, struct disk_cmd, list);
		if (ktime_before(now, cmd->due))
			break;
		list_move_tail(&cmd->list, &done);
	}
	spin_unlock(&polled_lock);
	while (!list_empty(&done)) {
		struct request *rq;

		cmd = list_first_entry(&done, struct disk_cmd, list);
		list_del(&cmd->list);
		rq = blk_mq_rq_from_pdu(cmd);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
		if (!blk_mq_add_to_batch(rq, iob, false, disk_end_batch))
#else
		if (!blk_mq_add_to_batch(rq, iob, 0, disk_end_batch))
#endif
			blk_mq_end_request(rq, BLK_STS_OK);
		n++;
	}
	return n;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define NODE_TYPE int
#else
#define NODE_TYPE unsigned int
#endif

static int disk_init_request(struct blk_mq_tag_set *set, struct request *rq,
			     unsigned int hctx, NODE_TYPE node)
{
	struct disk_cmd *cmd = blk_mq_rq_to_pdu(rq);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(&cmd->timer, disk_timer, CLOCK_MONOTONIC, TIMER_MODE);
#else
	hrtimer_init(&cmd->timer, CLOCK_MONOTONIC, TIMER_MODE);
	cmd->timer.function = disk_timer;
#endif
	return 0;
}

/* One queue per CPU, and a polled one. */
static void disk_map_queues(struct blk_mq_tag_set *set)
{
	unsigned int cpus = set->nr_hw_queues - 1;
	struct blk_mq_queue_map *map;
	int type;

	for (type = 0; type < set->nr_maps; type++) {
		map = &set->map[type];
		map->nr_queues = type == HCTX_TYPE_DEFAULT ? cpus :
				 type == HCTX_TYPE_POLL;
		map->queue_offset = type == HCTX_TYPE_DEFAULT ? 0 : cpus;
		if (map->nr_queues)
			blk_mq_map_queues(map);
	}
}

static const struct blk_mq_ops disk_mq_ops = {
	.queue_rq = disk_queue_rq,
	.poll = disk_poll,
	.init_request = disk_init_request,
	.map_queues = disk_map_queues,
};

static const struct block_device_operations disk_ops = {
	.owner = THIS_MODULE,
};

static struct gendisk *disk_alloc(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	struct queue_limits limits = {
		.logical_block_size = 512,
		.physical_block_size = 4096,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
		.features = BLK_FEAT_POLL | BLK_FEAT_NOWAIT,
#endif
	};

	return blk_mq_alloc_disk(&tags, &limits, NULL);
#else
	return blk_mq_alloc_disk(&tags, NULL);
#endif
}

static int __init disk_init(void)
{
	int err;

	memory = vzalloc((size_t)mib << 20);
	if (!memory)
		return -ENOMEM;
	tags.ops = &disk_mq_ops;
	tags.nr_hw_queues = num_online_cpus() + 1;
	tags.nr_maps = HCTX_MAX_TYPES;
	tags.queue_depth = 128;
	tags.cmd_size = sizeof(struct disk_cmd);
	tags.numa_node = NUMA_NO_NODE;
	err = blk_mq_alloc_tag_set(&tags);
	if (err)
		goto free;
	disk = disk_alloc();
	if (IS_ERR(disk)) {
		err = PTR_ERR(disk);
		goto free_tags;
	}
	disk->fops = &disk_ops;
	snprintf(disk->disk_name, DISK_NAME_LEN, "schaindisk");
	set_capacity(disk, (sector_t)mib << (20 - SECTOR_SHIFT));
	err = add_disk(disk);
	if (!err)
		return 0;
	put_disk(disk);
free_tags:
	blk_mq_free_tag_set(&tags);
free:
	vfree(memory);
	return err;
}

static void __exit disk_exit(void)
{
	del_gendisk(disk);
	put_disk(disk);
	blk_mq_free_tag_set(&tags);
	vfree(memory);
}

module_init(disk_init);
module_exit(disk_exit);

MODULE_DESCRIPTION("A disk in memory with a given latency");
MODULE_LICENSE("GPL");
