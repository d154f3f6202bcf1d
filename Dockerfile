# syntax=docker/dockerfile:1
FROM node:20.20.2-bookworm-slim@sha256:2cf067cfed83d5ea958367df9f966191a942351a2df77d6f0193e162b5febfc0 AS base
WORKDIR /app

FROM base AS build
# .npmrc forbids install scripts: what comes from the registry is only unpacked here.
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM base
ENV NODE_ENV=production
# Mounted volumes take owner and mode from these folders the first time.
RUN install -d -o node -g node -m 0750 /data /secrets /keys /prompts /listen
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY page ./page
COPY sounds ./sounds
USER node
EXPOSE 8080
# Alive, which does not say that a call can be placed: that is /readyz.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.VOICE_OTP_API_PORT ?? 8080}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/main.js", "serve"]
