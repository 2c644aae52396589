# Perennial's server with the default model inside: ./dev image, then deploy/compose.yaml or
#   podman run --rm --publish 127.0.0.1:50051:50051 perennial
# Another model: mount it and end the command with --model=/models/yours.gguf (later flags win).

FROM debian:12 AS builder
WORKDIR /src
# What setup reads, first: the downloads are then a layer of their own, which a change of code does not touch.
COPY dev ./
COPY deploy/setup ./deploy/setup
COPY model/text/rust ./model/text/rust
RUN ./dev setup build
COPY . .
RUN ./dev build release perenniald perennial && \
    cmake --install build/release --prefix /opt/perennial --strip && \
    mkdir -p /opt/perennial/lib/libtorch/torch /opt/perennial/lib/libtorch/nvidia/cu13 /opt/perennial/models && \
    mv .deps/libtorch/torch/lib /opt/perennial/lib/libtorch/torch/lib && \
    mv .deps/libtorch/nvidia/cu13/lib /opt/perennial/lib/libtorch/nvidia/cu13/lib && \
    mv .deps/models/*.gguf /opt/perennial/models/default.gguf

FROM debian:12
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libgrpc++1.51 libprotobuf32 libspdlog1.10 libedit2 libabsl20220623 && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin perennial
COPY --from=builder /opt/perennial /opt/perennial
ENV PATH=/opt/perennial/bin:/usr/local/bin:/usr/bin:/bin
USER 10001:10001
EXPOSE 50051
STOPSIGNAL SIGTERM
# Whole seconds of margin: a start maps the model and answers at once; a busy step may delay an answer.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["perennial", "--server=127.0.0.1:50051", "stats"]
# --insecure: the container's port is published by its owner, to the loopback interface in compose.yaml.
ENTRYPOINT ["perenniald", "--model=/opt/perennial/models/default.gguf", "--listen=0.0.0.0:50051", "--insecure", \
  "--temperature=0.2", "--top_p=0.9", "--repetition_penalty=1.1"]
