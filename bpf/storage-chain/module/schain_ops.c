// SPDX-License-Identifier: GPL-2.0
/*
 * schain_ops.c - registers programs by name, attached by struct_ops
 *
 * A struct_ops program belongs to the doors that name it, is not skipped when
 * nested, and reads the node in place. It needs the module's own BTF and a
 * kernel that supports struct_ops in modules (6.9); otherwise the tracepoint of
 * schain_trace.h is used.
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/version.h>
#include "schain.h"

static DEFINE_MUTEX(programs_lock);
static LIST_HEAD(programs);

static struct schain_program *find(u64 name)
{
	struct schain_program *program;

	lockdep_assert_held(&programs_lock);
	list_for_each_entry(program, &programs, list)
		if (program->name == name)
			return program;
	program = kzalloc(sizeof(*program), GFP_KERNEL);
	if (program) {
		program->name = name;
		list_add(&program->list, &programs);
	}
	return program;
}

static void put(struct schain_program *program)
{
	lockdep_assert_held(&programs_lock);
	if (--program->users)
		return;
	list_del(&program->list);
	kfree(program);
}

struct schain_program *schain_program_get(u64 name)
{
	struct schain_program *program;

	mutex_lock(&programs_lock);
	program = find(name);
	if (program)
		program->users++;
	mutex_unlock(&programs_lock);
	return program;
}

void schain_program_put(struct schain_program *program)
{
	mutex_lock(&programs_lock);
	put(program);
	mutex_unlock(&programs_lock);
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
int schain_ops_init(void)
{
	return -EOPNOTSUPP;
}
#else
__bpf_kfunc_start_defs();

/* The node, for reading; NULL if it does not have this size. */
__bpf_kfunc u8 *bpf_schain_node(struct schain_step *step,
				const size_t rdonly_buf_size)
{
	if (rdonly_buf_size > step->ctx.len)
		return NULL;
	return (u8 *)step->node;
}

/* struct schain_out, for writing; NULL if it does not have this size. */
__bpf_kfunc u8 *bpf_schain_out(struct schain_step *step,
			       const size_t rdwr_buf_size)
{
	if (rdwr_buf_size > sizeof(step->ctx.out))
		return NULL;
	return (u8 *)&step->ctx.out;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(schain_kfuncs)
BTF_ID_FLAGS(func, bpf_schain_node, KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_schain_out, KF_RET_NULL)
BTF_KFUNCS_END(schain_kfuncs)

static const struct btf_kfunc_id_set schain_kfunc_set = {
	.owner = THIS_MODULE,
	.set = &schain_kfuncs,
};

static int ops_init(struct btf *btf)
{
	return 0;
}

static bool ops_is_valid_access(int off, int size, enum bpf_access_type type,
				const struct bpf_prog *prog,
				struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

static const struct bpf_verifier_ops schain_verifier_ops = {
	.get_func_proto = bpf_base_func_proto,
	.is_valid_access = ops_is_valid_access,
};

static int ops_init_member(const struct btf_type *type,
			   const struct btf_member *member,
			   void *kdata, const void *udata)
{
	const struct schain_ops *from = udata;
	struct schain_ops *ops = kdata;

	if (__btf_member_bit_offset(type, member) !=
	    offsetof(struct schain_ops, name) * 8)
		return 0;
	if (!from->name[0])
		return -EINVAL;
	memcpy(ops->name, from->name, sizeof(ops->name));
	return 1;
}

/* The step may run in an interrupt. */
static int ops_check_member(const struct btf_type *type,
			    const struct btf_member *member,
			    const struct bpf_prog *prog)
{
	return prog->sleepable ? -EINVAL : 0;
}

static u64 name_of(const struct schain_ops *ops)
{
	u64 name;

	memcpy(&name, ops->name, sizeof(name));
	return name;
}

static int ops_reg(void *kdata, struct bpf_link *link)
{
	struct schain_ops *ops = kdata;
	struct schain_program *program;
	int err = 0;

	mutex_lock(&programs_lock);
	program = find(name_of(ops));
	if (!program) {
		err = -ENOMEM;
	} else if (rcu_access_pointer(program->ops)) {
		err = -EEXIST;
	} else {
		program->users++;
		rcu_assign_pointer(program->ops, ops);
	}
	mutex_unlock(&programs_lock);
	return err;
}

static void ops_unreg(void *kdata, struct bpf_link *link)
{
	struct schain_program *program;

	mutex_lock(&programs_lock);
	program = find(name_of(kdata));
	RCU_INIT_POINTER(program->ops, NULL);
	synchronize_rcu();
	put(program);
	mutex_unlock(&programs_lock);
}

static int step_stub(struct schain_step *step)
{
	return SCHAIN_NOTRUN;
}

static struct schain_ops schain_ops_stubs = {
	.step = step_stub,
};

static struct bpf_struct_ops schain_struct_ops = {
	.verifier_ops = &schain_verifier_ops,
	.init = ops_init,
	.init_member = ops_init_member,
	.check_member = ops_check_member,
	.reg = ops_reg,
	.unreg = ops_unreg,
	.name = "schain_ops",
	.cfi_stubs = &schain_ops_stubs,
	.owner = THIS_MODULE,
};

int schain_ops_init(void)
{
	int err = register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS,
					    &schain_kfunc_set);

	return err ?: register_bpf_struct_ops(&schain_struct_ops, schain_ops);
}
#endif
