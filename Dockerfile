# SPDX-License-Identifier: MIT
# docker build -t trafficmon .
# docker run --rm --privileged --network host -v /sys/fs/bpf:/sys/fs/bpf trafficmon attach --iface eth0
#
# Counting goes on after the container is gone: the programs and maps are pinned in the host's bpffs.

FROM debian:12-slim AS builder
RUN apt-get update && apt-get install -y --no-install-recommends make
COPY . /src
WORKDIR /src
RUN make wheel

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libbpf1 python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY --from=builder /src/dist/*.whl /tmp/
RUN python3 -m venv /opt/trafficmon \
    && /opt/trafficmon/bin/pip install --no-cache-dir /tmp/*.whl \
    && rm /tmp/*.whl \
    && /opt/trafficmon/bin/trafficmon --version
ENTRYPOINT ["/opt/trafficmon/bin/trafficmon"]
CMD ["--help"]
