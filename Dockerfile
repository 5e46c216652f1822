# The demo: one static binary, no shell, not root, nothing to write but /data.
#
#   docker build -t otelhealth-demo .
#   docker run --rm --read-only -p 127.0.0.1:8000:8000 -p 127.0.0.1:8001:8001 -v demo:/data otelhealth-demo
#
# For several platforms: docker buildx build --platform linux/amd64,linux/arm64 .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
# .git is in the context, so that the binary knows its commit.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags='-s -w' -o /demo ./cmd/demo && mkdir /data

# static has certificates, time zones and the user nonroot (65532), and no shell.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /demo /demo
# A named volume takes its owner from here.
COPY --from=build --chown=65532:65532 /data /data
VOLUME /data
EXPOSE 8000 8001
# Liveness, as an orchestrator that restarts what is unhealthy should see it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/demo", "probe", "http://localhost:8000/health"]
ENTRYPOINT ["/demo"]
CMD ["-addr", ":8000", "-admin-addr", ":8001", "-data", "/data"]
