# The service as a small image: built in one stage, run from another that holds the program and the C library, as a user
# without rights.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
COPY migrations migrations
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin chat-system && cp target/release/chat-system /chat-system && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /chat-system /usr/local/bin/chat-system
# A volume that is mounted here is the user's.
COPY --from=build --chown=nonroot:nonroot /data /data
ENV CHAT_LISTEN=0.0.0.0:8080 CHAT_DATA_DIR=/data CHAT_LOG_FORMAT=json
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["chat-system", "health"]
ENTRYPOINT ["chat-system"]
