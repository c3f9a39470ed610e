# The service and its worker in one image; the front-end libraries come from a stage of their own.
FROM node:22-bookworm-slim AS web
WORKDIR /web
COPY package.json package-lock.json .npmrc ./
RUN npm ci

FROM python:3.13-slim-trixie
RUN apt-get update \
    && apt-get install -y --no-install-recommends fonts-noto-cjk libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /data twingrid
WORKDIR /app
COPY bootstrap requirements.txt ./
RUN ./bootstrap python && rm -rf /root/.cache
COPY --from=web /web/node_modules node_modules
COPY . .
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 TWINGRID_DATA_DIR=/data TWINGRID_HOST=0.0.0.0
USER twingrid
VOLUME /data
EXPOSE 8000
CMD ["twingrid", "serve"]
