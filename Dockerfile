# The serving image: the built wheel and what it needs, no source, no torch, no tests, nothing that installs or
# downloads (tokenizers brings the hub's client for a call that serving never makes).
#   docker build -t evenhand .
#   docker build -t evenhand:gpu --build-arg RUNTIME=gpu .
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ARG RUNTIME=cpu
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY service service
COPY models models
COPY training training
COPY reports reports
RUN python -m venv /opt/evenhand \
    && python -m pip wheel --quiet --no-deps --wheel-dir /dist . \
    && /opt/evenhand/bin/pip install --quiet --no-cache-dir -c constraints.txt "$(ls /dist/evenhand-*.whl)[${RUNTIME},image,jwt,otel,postgres,report]" \
    && /opt/evenhand/bin/pip uninstall --quiet --yes huggingface-hub hf-xet setuptools pip \
    && find /opt/evenhand -type d -name tests -prune -exec rm -r {} +

FROM python:${PYTHON}-slim
RUN groupadd --system --gid 10001 evenhand && useradd --system --uid 10001 --gid 10001 --no-create-home evenhand \
    && python -m pip uninstall --quiet --yes --root-user-action ignore setuptools wheel pip
COPY --from=build /opt/evenhand /opt/evenhand
COPY bundles /bundles
# What the service keeps: the record's keys and spool, and its database where that is SQLite. Mount a volume there.
RUN install -d -o evenhand -m 0700 /var/lib/evenhand
ENV PATH=/opt/evenhand/bin:$PATH PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1 EVENHAND_HOST=0.0.0.0 EVENHAND_STATE=/var/lib/evenhand
VOLUME /var/lib/evenhand
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["evenhand"]
CMD ["serve", "/bundles/government-salary", "/bundles/hate-speech"]
