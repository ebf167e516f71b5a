# One image for every service: `docker run laddvakt collector`, `... recorder`, and so on.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/laddvakt
WORKDIR /src
COPY requirements/run.lock requirements/run.lock
RUN /opt/laddvakt/bin/pip install --quiet --require-hashes --requirement requirements/run.lock
COPY . .
RUN /opt/laddvakt/bin/pip install --quiet --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin laddvakt \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/laddvakt
COPY --from=build /opt/laddvakt /opt/laddvakt
ENV PATH=/opt/laddvakt/bin:$PATH PYTHONUNBUFFERED=1 LADDVAKT_DATA_DIR=/var/lib/laddvakt
USER 10001
WORKDIR /var/lib/laddvakt
VOLUME /var/lib/laddvakt
ENTRYPOINT ["laddvakt"]
CMD ["--help"]
