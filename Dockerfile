# The demo: one static binary, no shell, no root, and only /data is writable.
#
#   docker build -t otelhealth-demo:dev .
#   docker run --rm --read-only -p 127.0.0.1:8000:8000 -p 127.0.0.1:8001:8001 -v demo:/data otelhealth-demo:dev
#
# For several platforms: docker buildx build --platform linux/amd64,linux/arm64 .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.work go.mod go.sum ./
COPY cmd/demo/go.mod cmd/demo/go.sum cmd/demo/
COPY healthcheck/go.mod healthcheck/go.sum healthcheck/
COPY healthcheck/grpchealth/go.mod healthcheck/grpchealth/go.sum healthcheck/grpchealth/
COPY healthcheck/promhealth/go.mod healthcheck/promhealth/go.sum healthcheck/promhealth/
COPY telemetry/grpctelemetry/go.mod telemetry/grpctelemetry/go.sum telemetry/grpctelemetry/
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
# go build reads the commit from .git. In a git worktree .git is elsewhere, so the binary has no
# commit. The build cache is not part of the image. With it the next build compiles only changes.
RUN --mount=type=cache,target=/root/.cache/go-build \
    git rev-parse -q --verify HEAD >/dev/null 2>&1 || export GOFLAGS=-buildvcs=false; \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags='-s -w' -o /demo ./cmd/demo && mkdir /data

# static has certificates, time zones and the user nonroot (65532), and no shell.
FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /demo /demo
# A new volume takes its owner from here.
COPY --from=build --chown=65532:65532 /data /data
VOLUME /data
EXPOSE 8000 8001
# /health is liveness, because an orchestrator restarts an unhealthy container.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/demo", "probe", "http://localhost:8000/health"]
ENTRYPOINT ["/demo"]
CMD ["-addr=:8000", "-admin-addr=:8001", "-data=/data"]
