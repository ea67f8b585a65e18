/* libbpf itself, and the system calls around it that Python does not have. */
int libbpf_num_possible_cpus(void);
uint32_t libbpf_major_version(void);
uint32_t libbpf_minor_version(void);

extern "Python" void tm_on_log(int level, char *text);
void tm_log_to_python(int most);

int setns(int fd, int kind);
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);
/* f_type of statfs(2), or -1 and errno. */
long tm_filesystem_type(const char *path);

/* "NAME=VALUE\n…" of an enum of the running kernel, to be freed; NULL where there is none. */
char *tm_kernel_enumerators(const char *name);
int tm_kernel_has_function(const char *name);
/* How many a tracepoint has; 0 where there is no such tracepoint. */
int tm_kernel_tracepoint_arguments(const char *name);
void free(void *pointer);
