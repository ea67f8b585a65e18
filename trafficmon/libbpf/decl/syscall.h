/* Thin wrappers around bpf(2): bpf/bpf.h. -errno on failure. */
struct bpf_map_batch_opts {
	size_t sz;
	uint64_t elem_flags;
	uint64_t flags;
	...;
};
struct bpf_obj_get_opts {
	size_t sz;
	uint32_t file_flags;
	...;
};
struct bpf_link_create_opts {
	size_t sz;
	uint32_t flags;
	...;
};
struct bpf_test_run_opts {
	size_t sz;
	const void *data_in;
	void *data_out;
	uint32_t data_size_in;
	uint32_t data_size_out;
	const void *ctx_in;
	void *ctx_out;
	uint32_t ctx_size_in;
	uint32_t ctx_size_out;
	uint32_t retval;
	int repeat;
	uint32_t duration;
	uint32_t flags;
	uint32_t cpu;
	uint32_t batch_size;
	...;
};

struct bpf_map_create_opts {
	size_t sz;
	uint32_t btf_fd;
	uint32_t btf_key_type_id;
	uint32_t btf_value_type_id;
	uint32_t map_flags;
	...;
};
int bpf_btf_get_fd_by_id(uint32_t id);
int bpf_map_create(int map_type, const char *map_name, uint32_t key_size, uint32_t value_size,
		   uint32_t max_entries, const struct bpf_map_create_opts *opts);

int bpf_obj_pin(int fd, const char *pathname);
int bpf_obj_get_opts(const char *pathname, const struct bpf_obj_get_opts *opts);
int bpf_obj_get_info_by_fd(int bpf_fd, void *info, uint32_t *info_len);

int bpf_map_lookup_elem(int fd, const void *key, void *value);
int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags);
int bpf_map_delete_elem(int fd, const void *key);
int bpf_map_freeze(int fd);
int bpf_map_get_next_key(int fd, const void *key, void *next_key);
int bpf_map_lookup_batch(int fd, void *in_batch, void *out_batch, void *keys, void *values,
			 uint32_t *count, const struct bpf_map_batch_opts *opts);
int bpf_map_update_batch(int fd, const void *keys, const void *values, uint32_t *count,
			 const struct bpf_map_batch_opts *opts);
int bpf_map_delete_batch(int fd, const void *keys, uint32_t *count,
			 const struct bpf_map_batch_opts *opts);

int bpf_link_create(int prog_fd, int target_fd, int attach_type,
		    const struct bpf_link_create_opts *opts);
int bpf_link_update(int link_fd, int new_prog_fd, const struct bpf_link_update_opts *opts);
int bpf_link_detach(int link_fd);
int bpf_iter_create(int link_fd);

int bpf_prog_test_run_opts(int prog_fd, struct bpf_test_run_opts *opts);
int bpf_prog_get_next_id(uint32_t start_id, uint32_t *next_id);
int bpf_prog_get_fd_by_id(uint32_t id);
int bpf_link_get_next_id(uint32_t start_id, uint32_t *next_id);
int bpf_link_get_fd_by_id(uint32_t id);
int bpf_enable_stats(int type);

struct bpf_map_info {
	uint32_t type;
	uint32_t id;
	uint32_t key_size;
	uint32_t value_size;
	uint32_t max_entries;
	uint32_t map_flags;
	char name[16];
	uint32_t btf_id;
	uint32_t btf_key_type_id;
	uint32_t btf_value_type_id;
	...;
};
struct bpf_prog_info {
	uint32_t type;
	uint32_t id;
	uint8_t tag[8];
	char name[16];
	uint64_t load_time;
	uint32_t ifindex;
	uint64_t run_time_ns;
	uint64_t run_cnt;
	uint64_t recursion_misses;
	uint32_t xlated_prog_len;
	uint32_t jited_prog_len;
	...;
};
/* struct bpf_link_info has unions without names: the shim below takes out what we ask. */
struct tm_link_facts {
	uint32_t type;
	uint32_t id;
	uint32_t prog_id;
	uint32_t ifindex;
	uint64_t cgroup_id;
};
int tm_link_facts(int fd, struct tm_link_facts *facts);
int tm_pinned_link_facts(const char *path, struct tm_link_facts *facts);
int bpf_prog_query(int target_fd, int type, uint32_t query_flags, uint32_t *attach_flags,
		   uint32_t *prog_ids, uint32_t *prog_cnt);

int libbpf_probe_bpf_prog_type(int prog_type, const void *opts);
int libbpf_probe_bpf_map_type(int map_type, const void *opts);
int tm_has_helper(int program_type, int helper);
