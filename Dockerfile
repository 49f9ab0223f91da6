# The gateway on a bare Debian: `docker build -t bifrost .`, then
# `docker run -p 8080:8080 -e OPENAI_API_KEY bifrost`.

# Not the slim image: io_uring's bindings want git while they are built.
FROM rust:1.95-bookworm AS build
WORKDIR /build
# Dependencies change less often than the source: built alone, they are a layer that is kept.
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' >src/main.rs \
    && cargo build --release --locked && rm -r src
COPY src src
RUN touch src/lib.rs src/main.rs && cargo build --release --locked \
    && strip --strip-debug -o /bifrost target/release/bifrost

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="bifrost" \
    org.opencontainers.image.description="An LLM gateway: any provider behind the OpenAI API" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /bifrost /usr/local/bin/bifrost
# A user by number needs no entry in /etc/passwd, and satisfies runAsNonRoot.
RUN mkdir -p /app/data && chown 10001:10001 /app/data
USER 10001:10001
WORKDIR /app
ENV APP_HOST=0.0.0.0 APP_PORT=8080 APP_DIR=/app/data
VOLUME /app/data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["bifrost", "health"]
ENTRYPOINT ["bifrost"]
