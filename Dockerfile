# Builds the server, then puts the one program into a small image.

FROM rust:1.95-slim-bookworm AS builder
# The C compiler is for SQLite, the allocator and TLS, which are compiled in. The slim image has one; this says so.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build

# The dependencies alone, around an empty program: this layer is built anew only when Cargo.toml or Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
# How SQLite is compiled.
COPY .cargo .cargo
RUN mkdir -p src benches/load tests/it \
    && echo 'fn main() {}' | tee src/main.rs benches/load/main.rs tests/it/main.rs > /dev/null \
    && touch src/lib.rs \
    && cargo build --release --locked

# The program itself. The SQL of the tables and the sample data are compiled in, so they are needed here and not later.
COPY migrations migrations
COPY seeds seeds
COPY src src
# Copied files keep their times, which may lie before the empty program's: without this, cargo would keep that one.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked


FROM debian:bookworm-slim
# A fixed user id, so that the owner of a mounted directory can be set from outside.
RUN groupadd --gid 10001 billing \
    && useradd --uid 10001 --gid billing --home-dir /data --no-create-home --shell /usr/sbin/nologin billing \
    && install --directory --owner=billing --group=billing --mode=0750 /data
COPY --from=builder /build/target/release/wecall-billing /usr/local/bin/wecall-billing

# All addresses, because a container's own loopback cannot be reached from outside it. With AUTH=open the server refuses
# to start like this until AUTH_OPEN_ANYWHERE=true says that it is meant: see "Docker" in the README.
ENV BIND=0.0.0.0 \
    DATABASE_URL=sqlite:///data/billing.db
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["wecall-billing", "healthcheck"]
ENTRYPOINT ["wecall-billing"]
CMD ["serve"]
