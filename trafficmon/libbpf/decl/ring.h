/* Ring buffers: bpf/libbpf.h. */
struct ring_buffer;

extern "Python" int tm_on_sample(void *ctx, void *data, size_t size);

struct ring_buffer *ring_buffer__new(int map_fd, int (*sample_cb)(void *, void *, size_t),
				     void *ctx, const struct ring_buffer_opts *opts);
void ring_buffer__free(struct ring_buffer *rb);
int ring_buffer__poll(struct ring_buffer *rb, int timeout_ms);
int ring_buffer__consume(struct ring_buffer *rb);
int ring_buffer__epoll_fd(const struct ring_buffer *rb);

/* shim.c: libbpf's takes each record as soon as it has handed it over. */
struct tm_ring;
struct tm_ring *tm_ring_open(int map_fd, uint32_t size);
void tm_ring_close(struct tm_ring *ring);
unsigned long long tm_ring_taken(const struct tm_ring *ring);
void tm_ring_take(struct tm_ring *ring, unsigned long long position);
const void *tm_ring_next(const struct tm_ring *ring, unsigned long long *position, uint32_t *length);
