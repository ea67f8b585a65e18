/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Names of processes and cgroups, recorded while these exist: short-lived ones end before a reader can
 * open their files in /proc.
 */
#ifndef TM_OWNER_NAMES_BPF_H
#define TM_OWNER_NAMES_BPF_H

#include "owner/owner.bpf.h"

/* Since 6.15 (633488947ef6) the parent has another name. */
struct kernfs_node___rcu {
	struct kernfs_node *__parent;
} __attribute__((preserve_access_index));

static __always_inline struct kernfs_node *tm_parent_of(struct kernfs_node *node)
{
	struct kernfs_node___rcu *newer = (void *)node;

	if (bpf_core_field_exists(node->parent))
		return BPF_CORE_READ(node, parent);
	return BPF_CORE_READ(newer, __parent);
}

/* The parts of the path from the last one on, without the root, whose name is empty. */
static __noinline int tm_record_cgroup_path(struct task_struct *task, __u64 id)
{
	struct kernfs_node *node = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn), *above;
	struct tm_cgroup_path *path;
	__u32 zero = 0;
	void *nothing = bpf_map_lookup_elem(&zeroes, &zero);
	int part;

	if (!nothing || bpf_map_update_elem(&cgroup_paths, &id, nothing, BPF_NOEXIST))
		return 0;
	path = bpf_map_lookup_elem(&cgroup_paths, &id);
	if (!path)
		return 0;
	for (part = 0; part < TM_PATH_PARTS && node; part++) {
		above = tm_parent_of(node);
		if (!above)
			break;
		bpf_probe_read_kernel_str(path->parts[part], TM_CGROUP_NAME_BYTES,
					  BPF_CORE_READ(node, name));
		node = above;
	}
	return 0;
}

/* As d_path(): up the directories, and from the top of a mount on at its mount point. */
static __noinline int tm_record_exe(struct tm_process *process, struct file *file)
{
	struct vfsmount *top = BPF_CORE_READ(file, f_path.mnt);
	struct mount *mount, *outer;
	struct dentry *entry = BPF_CORE_READ(file, f_path.dentry), *above;
	int part = 0, step;

	if (!process)
		return 0;
	mount = (void *)top - bpf_core_field_offset(struct mount, mnt);
	if (entry == BPF_CORE_READ(entry, d_parent)) { /* memfd_create(): in no directory */
		bpf_probe_read_kernel_str(process->exe[0], TM_FILE_NAME_BYTES,
					  BPF_CORE_READ(entry, d_name.name));
		return 0;
	}
	for (step = 0; step < TM_PATH_PARTS + 4; step++) {
		above = BPF_CORE_READ(entry, d_parent);
		if (entry == BPF_CORE_READ(mount, mnt.mnt_root) || entry == above) {
			outer = BPF_CORE_READ(mount, mnt_parent);
			if (outer == mount)
				return 0;
			entry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = outer;
			continue;
		}
		if (part >= TM_PATH_PARTS)
			return 0;
		bpf_probe_read_kernel_str(process->exe[part], TM_FILE_NAME_BYTES,
					  BPF_CORE_READ(entry, d_name.name));
		part++;
		entry = above;
	}
	return 0;
}

static __always_inline void tm_record_arguments(struct tm_process *process, struct mm_struct *mm)
{
	unsigned long begin = BPF_CORE_READ(mm, arg_start), end = BPF_CORE_READ(mm, arg_end);
	__u64 size = end - begin;

	if (size > TM_ARGUMENTS_BYTES - 1)
		size = TM_ARGUMENTS_BYTES - 1;
	bpf_probe_read_user(process->arguments, size & (TM_ARGUMENTS_BYTES - 1), (void *)begin);
}

_Static_assert(sizeof(struct tm_process) <= sizeof(struct tm_cgroup_path), "rows of both are made "
									   "from `zeroes`");

/* @is_current: the arguments are in the process's memory, which only a program in that process can read. */
static __noinline int tm_record_process(struct task_struct *task, __u64 id, bool is_current)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct tm_process *process;
	struct file *file;
	__u32 zero = 0;
	void *nothing = bpf_map_lookup_elem(&zeroes, &zero);

	if (!mm || !nothing || bpf_map_update_elem(&processes, &id, nothing, BPF_NOEXIST))
		return 0;
	process = bpf_map_lookup_elem(&processes, &id);
	if (!process)
		return 0;
	file = BPF_CORE_READ(mm, exe_file);
	if (file)
		tm_record_exe(process, file);
	if (is_current)
		tm_record_arguments(process, mm);
	return 0;
}

/*
 * Global functions, which the verifier checks once and not for each path to each call: that was most of
 * the time of an attach. They take numbers only, so not the task. Until 6.8 (2afae08c9dcb) the verifier
 * checks them even where no call can be reached, so they test tm_read_task themselves.
 */
__noinline int tm_record_current_process(__u64 id)
{
	return tm_read_task ? tm_record_process((void *)bpf_get_current_task(), id, true) : 0;
}

__noinline int tm_record_current_cgroup(__u64 id)
{
	return tm_read_task ? tm_record_cgroup_path((void *)bpf_get_current_task(), id) : 0;
}

/* tm_get_task_owner - owner_id of the process of @task, whose names are recorded the first time. */
static __always_inline __u64 tm_get_task_owner(struct task_struct *task, struct tm_owner *owner,
					       bool is_current)
{
	__u64 cgroup_id, id;
	bool is_known;

	tm_fill_owner_of_task(task, owner);
	cgroup_id = owner->cgroup_id;
	id = tm_get_or_create_owner(owner);
	is_known = bpf_map_lookup_elem(&processes, &id);
	if (!is_known && is_current)
		tm_record_current_process(id);
	else if (!is_known)
		tm_record_process(task, id, false);
	is_known = bpf_map_lookup_elem(&cgroup_paths, &cgroup_id);
	if (!is_known && is_current)
		tm_record_current_cgroup(cgroup_id);
	else if (!is_known)
		tm_record_cgroup_path(task, cgroup_id);
	return id;
}

static __always_inline __u64 tm_get_current_owner(struct tm_owner *owner)
{
	if (tm_read_task)
		return tm_get_task_owner((struct task_struct *)bpf_get_current_task(), owner, true);
	tm_fill_current_owner(owner);
	return tm_get_or_create_owner(owner);
}

#endif /* TM_OWNER_NAMES_BPF_H */
