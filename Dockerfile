# Node runs the TypeScript as it is: nothing is built, only the dependencies are installed apart,
# so that a change of the source leaves their layer alone.
FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:26-slim
WORKDIR /app
# A database of its own needs a place that outlives the container; with DATABASE_URL it stays empty.
RUN install --directory --owner=node --group=node /data
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY docs/guides ./docs/guides
COPY drizzle ./drizzle
COPY src ./src
# The npm scripts check the Node they run on.
COPY tools ./tools
# glibc keeps large pieces of memory once it has seen some freed, unless its threshold is set: after a
# minute of large answers, 200 MB stayed instead of 50.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
RUN install --directory --owner=node --group=node node_modules/.cache
USER node
# Otherwise each start takes the types off the source and compiles it again, two fifths of its CPU. Node keeps
# what it compiled for the user who runs it: another one (`docker run --user`) starts without.
RUN ["npm", "run", "keep-compiled"]
VOLUME /data
EXPOSE 8080
# The base has no curl. A start may first have to create or recover the embedded database.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then(({ok}) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# With DATABASE_URL a stop takes up to 12 s (RINGBACK_DRAIN_MS and RINGBACK_SHUTDOWN_TIMEOUT_MS);
# Docker kills after 10 s unless it is told to wait, e.g. `docker run --stop-timeout 15`.
STOPSIGNAL SIGTERM
CMD ["node", "src/main.ts"]
