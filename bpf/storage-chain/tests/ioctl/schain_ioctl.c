// SPDX-License-Identifier: GPL-2.0
/*
 * schain_ioctl.c - a lookup in a B+tree as one ioctl, for measurements:
 * /dev/schain-ioctl
 *
 * The calling task reads each node and waits for it in the kernel, as at
 * HotOS '21's system call layer. The rule is compiled into this module, so a
 * lookup by a BPF program would not be faster.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include "schain_crc.h"
#include "btree.h"
#include "schain_ioctl.h"

static struct schain_crc crc_table;

static int read_node(struct block_device *bdev, struct page *page, u64 sector)
{
	struct bio_vec part;
	struct bio bio;
	int err;

	bio_init(&bio, bdev, &part, 1, REQ_OP_READ | REQ_SYNC | REQ_IDLE);
	bio.bi_iter.bi_sector = sector;
	__bio_add_page(&bio, page, SCHAIN_NODE, 0);
	err = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return err;
}

static int lookup(struct block_device *bdev, struct page *page,
		  struct schain_ioctl *ask)
{
	struct step_in in = {
		.sector = ask->start,
		.key = ask->key,
		.generation = ask->generation,
		.depth = ask->depth,
		.has_crc = 1,
	};
	struct schain_out out = {};
	int err, verdict;

	do {
		err = read_node(bdev, page, in.sector);
		if (err)
			return err;
		in.hop++;
		in.crc = schain_crc_node(&crc_table, page_address(page));
		verdict = btree_step(&in, page_address(page), &out);
		in.sector = out.next;
	} while (verdict == SCHAIN_NEXT && in.hop < SCHAIN_HOPS_MAX);
	ask->hops = in.hop;
	ask->found = out.scratch[SCHAIN_OUT_FOUND];
	ask->value = out.scratch[SCHAIN_OUT_VALUE];
	return verdict == SCHAIN_DONE ? 0 : out.error ?: -ELOOP;
}

static int lookup_in(struct file *file, struct schain_ioctl *ask)
{
	struct page *page;
	int err;

	if (!S_ISBLK(file_inode(file)->i_mode) || ask->node % PAGE_SIZE)
		return -EINVAL;
	err = pin_user_pages_fast(ask->node, 1, FOLL_WRITE, &page);
	if (err != 1)
		return err < 0 ? err : -EFAULT;
	err = lookup(I_BDEV(file->f_mapping->host), page, ask);
	unpin_user_pages_dirty_lock(&page, 1, true);
	return err;
}

static long device_ioctl(struct file *device, unsigned int command,
			 unsigned long at)
{
	void __user *user = (void __user *)at;
	struct schain_ioctl ask;
	struct file *file;
	int err;

	if (command != SCHAIN_IOCTL_LOOKUP)
		return -ENOTTY;
	if (copy_from_user(&ask, user, sizeof(ask)))
		return -EFAULT;
	file = fget(ask.fd);
	if (!file)
		return -EBADF;
	err = lookup_in(file, &ask);
	fput(file);
	if (!err && copy_to_user(user, &ask, sizeof(ask)))
		err = -EFAULT;
	return err;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "schain-ioctl",
	.mode = 0600,
	.fops = &operations,
};

static int __init ioctl_init(void)
{
	schain_crc_init(&crc_table);
	return misc_register(&device);
}

static void __exit ioctl_exit(void)
{
	misc_deregister(&device);
}

module_init(ioctl_init);
module_exit(ioctl_exit);

MODULE_DESCRIPTION("Lookups in a B+tree by an ioctl");
MODULE_LICENSE("GPL");
