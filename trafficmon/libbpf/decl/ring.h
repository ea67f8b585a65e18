/* Ring buffers: bpf/libbpf.h. */
struct ring_buffer;

extern "Python" int tm_on_sample(void *ctx, void *data, size_t size);

struct ring_buffer *ring_buffer__new(int map_fd, int (*sample_cb)(void *, void *, size_t),
				     void *ctx, const struct ring_buffer_opts *opts);
void ring_buffer__free(struct ring_buffer *rb);
int ring_buffer__poll(struct ring_buffer *rb, int timeout_ms);
int ring_buffer__consume(struct ring_buffer *rb);
int ring_buffer__epoll_fd(const struct ring_buffer *rb);
