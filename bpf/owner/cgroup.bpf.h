/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Whether a task is in the monitored cgroup, for programs that are not attached to a cgroup.
 */
#ifndef TM_OWNER_CGROUP_BPF_H
#define TM_OWNER_CGROUP_BPF_H

#include "common/owner_maps.bpf.h"

#define TM_CGROUP_LEVELS 16 /* of a hierarchy that are searched */

const volatile __u64 tm_cgroup_id; /* of the monitored one */

/* Before 6.1 (b8b6ecbd2a7f) a cgroup has its ancestors' ids, from then on pointers to them. */
struct cgroup___ids {
	int level;
	__u64 ancestor_ids[];
} __attribute__((preserve_access_index));

static __always_inline __u64 tm_ancestor_id(struct cgroup *group, int level)
{
	struct cgroup___ids *old = (void *)group;
	struct cgroup *above = NULL;
	__u64 id = 0;

	if (bpf_core_field_exists(group->ancestors)) {
		BPF_CORE_READ_INTO(&above, group, ancestors[level]);
		return BPF_CORE_READ(above, kn, id);
	}
	BPF_CORE_READ_INTO(&id, old, ancestor_ids[level]);
	return id;
}

/*
 * The level of the monitored cgroup is not visible from inside a cgroup namespace: so all are tried.
 * Tracing programs have bpf_get_current_ancestor_cgroup_id() from 5.16 on only.
 */
static __noinline int tm_is_cgroup_within(struct cgroup *group)
{
	int deepest = BPF_CORE_READ(group, level), level;

	for (level = 0; level < TM_CGROUP_LEVELS; level++)
		if (level <= deepest && tm_ancestor_id(group, level) == tm_cgroup_id)
			return true;
	return false;
}

static __always_inline bool tm_is_in_cgroup(struct task_struct *task)
{
	return tm_cgroup_id == TM_ROOT_CGROUP_ID ||
	       tm_is_cgroup_within(BPF_CORE_READ(task, cgroups, dfl_cgrp));
}

static __always_inline bool tm_is_current_in_cgroup(void)
{
	return tm_is_in_cgroup((struct task_struct *)bpf_get_current_task());
}

#endif /* TM_OWNER_CGROUP_BPF_H */
