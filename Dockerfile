# Build the wheel, install it beside what the lock pins, and carry only the result.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY requirements.lock ./
# The lock of development also pins the build backend, so that nothing in the image is unpinned.
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist .

# For deploy/compose: the service and a sandbox platform for it to watch.
FROM build AS sandbox
RUN apt-get update \
    && apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && pip install --no-cache-dir --no-deps --no-index /dist/*.whl
WORKDIR /var/lib/synthetics
ENTRYPOINT ["synthetics"]
CMD ["demo"]

FROM ${BASE} AS install
RUN python -m venv /opt/synthetics
COPY requirements-runtime.lock /tmp/
RUN /opt/synthetics/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements-runtime.lock
COPY --from=build /dist/*.whl /tmp/
RUN /opt/synthetics/bin/pip install --no-cache-dir --no-deps --no-index /tmp/*.whl

FROM ${BASE} AS runtime
# git looks inside workspaces.
RUN apt-get update \
    && apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/synthetics synthetics
COPY --from=install /opt/synthetics /opt/synthetics
# Settings for known deployments; SYNTHETICS_CONFIG chooses one.
COPY deploy/ecs/*.toml /etc/synthetics/
ENV PATH=/opt/synthetics/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SYNTHETICS_API__HOST=0.0.0.0 \
    SYNTHETICS_API__PORT=8080 \
    SYNTHETICS_STATE_DIR=/var/lib/synthetics/state
USER synthetics
WORKDIR /var/lib/synthetics
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['SYNTHETICS_API__PORT']}/healthz\", timeout=4)"]
# The command decides the role: `serve --role worker`, `serve --role api`, `migrate`, `check`, `run …`.
ENTRYPOINT ["synthetics"]
CMD ["serve"]
