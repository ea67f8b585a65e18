/* SPDX-License-Identifier: MIT */
/* What cffi cannot declare: va_list, unions without names. Compiled into _native. */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

struct tm_link_facts {
	uint32_t type;
	uint32_t id;
	uint32_t prog_id;
	uint32_t ifindex;
	uint64_t cgroup_id;
};

/* BPF_LINK_TYPE_TCX came with 6.6; Debian 12's headers do not know it. */
#define TM_LINK_TYPE_TCX 11

static int tm_link_facts(int fd, struct tm_link_facts *facts)
{
	/* Larger than any kernel's, of which we read what all have at the same place. */
	union {
		struct bpf_link_info info;
		char room[256];
	} u;
	uint32_t size = sizeof(u);
	int error;

	memset(&u, 0, sizeof(u));
	error = bpf_obj_get_info_by_fd(fd, &u, &size);
	if (error)
		return error;
	facts->type = u.info.type;
	facts->id = u.info.id;
	facts->prog_id = u.info.prog_id;
	facts->ifindex = 0;
	facts->cgroup_id = 0;
	/* tcx: { __u32 ifindex; __u32 attach_type; }, where xdp has its { __u32 ifindex; } */
	if (facts->type == BPF_LINK_TYPE_XDP || facts->type == TM_LINK_TYPE_TCX)
		facts->ifindex = u.info.xdp.ifindex;
	if (facts->type == BPF_LINK_TYPE_CGROUP)
		facts->cgroup_id = u.info.cgroup.cgroup_id;
	return 0;
}

/* The same of a link by its pin, in one call: each reading asks about all of them. */
static int tm_pinned_link_facts(const char *path, struct tm_link_facts *facts)
{
	int fd = bpf_obj_get(path), error;

	if (fd < 0)
		return fd;
	error = tm_link_facts(fd, facts);
	close(fd);
	return error;
}

/* Where the `const volatile` @name lies in the object's .rodata. 0, or -errno. */
static int tm_find_constant(struct bpf_object *object, const char *name, uint32_t *offset,
			    uint32_t *size)
{
	const struct btf *btf = bpf_object__btf(object);
	const struct btf_var_secinfo *variable;
	const struct btf_type *section, *type;
	int id, i;

	id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;
	if (id < 0)
		return id;
	section = btf__type_by_id(btf, id);
	variable = btf_var_secinfos(section);
	for (i = 0; i < btf_vlen(section); i++, variable++) {
		type = btf__type_by_id(btf, variable->type);
		if (strcmp(btf__name_by_offset(btf, type->name_off), name))
			continue;
		*offset = variable->offset;
		*size = variable->size;
		return 0;
	}
	return -ENOENT;
}

/* An iterator over the elements of one map. NULL + errno on failure. */
static struct bpf_link *tm_attach_map_iterator(struct bpf_program *program, int map_fd)
{
	union bpf_iter_link_info which;
	LIBBPF_OPTS(bpf_iter_attach_opts, options);

	memset(&which, 0, sizeof(which));
	which.map.map_fd = map_fd;
	options.link_info = &which;
	options.link_info_len = sizeof(which);
	return bpf_program__attach_iter(program, &options);
}

/* The kernel's own numbers: enum skb_drop_reason, for one, changes from version to version. */
static char *tm_kernel_enumerators(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_enum *values;
	const struct btf_type *type;
	char *listed = NULL;
	size_t size = 0;
	FILE *stream;
	int id, i;

	id = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_ENUM) : -ENOENT;
	stream = id > 0 ? open_memstream(&listed, &size) : NULL;
	if (stream) {
		type = btf__type_by_id(btf, id);
		values = btf_enum(type);
		for (i = 0; i < btf_vlen(type); i++)
			fprintf(stream, "%s=%d\n", btf__name_by_offset(btf, values[i].name_off),
				values[i].val);
		fclose(stream);
	}
	btf__free(btf);
	return listed;
}

static int tm_kernel_has_function(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) : -ENOENT;

	btf__free(btf);
	return id > 0;
}

/* As the kernel's type btf_trace_NAME has them, whose first is the tracepoint's own. */
static int tm_kernel_tracepoint_arguments(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_type *type = NULL;
	char wanted[128];
	int id, count = 0;

	snprintf(wanted, sizeof(wanted), "btf_trace_%s", name);
	id = btf ? btf__find_by_name_kind(btf, wanted, BTF_KIND_TYPEDEF) : -ENOENT;
	if (id > 0)
		type = btf__type_by_id(btf, btf__type_by_id(btf, id)->type);
	if (type && btf_is_ptr(type))
		type = btf__type_by_id(btf, type->type);
	if (type && btf_is_func_proto(type))
		count = btf_vlen(type) - 1;
	btf__free(btf);
	return count;
}

static long tm_filesystem_type(const char *path)
{
	struct statfs facts;

	return statfs(path, &facts) ? -1 : (long)facts.f_type;
}

/*
 * Whether programs of @program_type may call @helper. 1, 0, or -errno.
 *
 * Instead of libbpf_probe_bpf_helper(): that of libbpf 1.1 does not know the third wording, which
 * newer kernels (seen with 6.18) have for a helper that is not for this type or locked down.
 */
static int tm_has_helper(int program_type, int helper)
{
	static const char *const refusals[] = { "invalid func ", "unknown func ",
						"cannot use helper " };
	struct bpf_insn code[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = helper },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	char log[4096] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, options, .log_buf = log, .log_size = sizeof(log),
		    .log_level = 1);
	int fd = bpf_prog_load(program_type, NULL, "GPL", code, 2, &options);
	size_t i;

	if (fd >= 0)
		close(fd);
	else if (!log[0])
		return fd;
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strstr(log, refusals[i]))
			return 0;
	return 1;
}

/* A ring buffer as kernel/bpf/ringbuf.c lays it out for user space: two pages of positions, data twice. */
struct tm_ring {
	unsigned long long *taken;	    /* the consumer's position; ours to write */
	const unsigned long long *produced; /* a page of its own, then the data */
	const unsigned char *data;
	size_t page, size;
};

static void tm_ring_close(struct tm_ring *ring)
{
	if (ring->produced)
		munmap((void *)ring->produced, ring->page + 2 * ring->size);
	if (ring->taken)
		munmap(ring->taken, ring->page);
	free(ring);
}

/* @size: max_entries of the map. NULL + errno on failure. */
static struct tm_ring *tm_ring_open(int map_fd, uint32_t size)
{
	struct tm_ring *ring = calloc(1, sizeof(*ring));
	void *taken, *produced;
	int error;

	if (!ring)
		return NULL;
	ring->page = sysconf(_SC_PAGESIZE);
	ring->size = size;
	taken = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	ring->taken = taken == MAP_FAILED ? NULL : taken;
	produced = ring->taken ? mmap(NULL, ring->page + 2 * ring->size, PROT_READ, MAP_SHARED,
				      map_fd, ring->page)
			       : MAP_FAILED;
	ring->produced = produced == MAP_FAILED ? NULL : produced;
	if (!ring->produced) {
		error = errno;
		tm_ring_close(ring);
		errno = error;
		return NULL;
	}
	ring->data = (const unsigned char *)ring->produced + ring->page;
	return ring;
}

static unsigned long long tm_ring_taken(const struct tm_ring *ring)
{
	return __atomic_load_n(ring->taken, __ATOMIC_ACQUIRE);
}

/* All before @position is the kernel's again to write over. */
static void tm_ring_take(struct tm_ring *ring, unsigned long long position)
{
	__atomic_store_n(ring->taken, position, __ATOMIC_RELEASE);
}

/*
 * The record at @position, or the next after it that was not discarded; NULL where there is none yet.
 * @position is then behind it. The record stays where it is until it is taken.
 */
static const void *tm_ring_next(const struct tm_ring *ring, unsigned long long *position,
				uint32_t *length)
{
	unsigned long long at = *position;
	const uint32_t *header;
	uint32_t head;

	while (at < __atomic_load_n(ring->produced, __ATOMIC_ACQUIRE)) {
		header = (const uint32_t *)(ring->data + (at & (ring->size - 1)));
		head = __atomic_load_n(header, __ATOMIC_ACQUIRE);
		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		*length = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		at += (*length + BPF_RINGBUF_HDR_SZ + 7) & ~7ULL;
		*position = at;
		if (!(head & BPF_RINGBUF_DISCARD_BIT))
			return header + BPF_RINGBUF_HDR_SZ / sizeof(*header);
	}
	return NULL;
}

static void tm_on_log(int level, char *text);

static int tm_log_most = -1;

static int tm_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[4096];
	int length;

	if ((int)level > tm_log_most)
		return 0;
	length = vsnprintf(text, sizeof(text), format, arguments);
	tm_on_log(level, text);
	return length;
}

/* @most: the highest enum libbpf_print_level that anybody reads; -1: none. */
static void tm_log_to_python(int most)
{
	tm_log_most = most;
	libbpf_set_print(tm_print);
}
