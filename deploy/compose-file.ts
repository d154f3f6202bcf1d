import { parse } from 'yaml';
import { z } from 'zod';

/**
 * The part of the Compose Specification that docker-compose.yml uses, strictly: a key that is not here is an
 * error, so that a typing mistake does not wait for a machine with Docker to be found.
 */

const duration = z.string().regex(/^(?:\d+(?:ms|s|m|h))+$/, { error: 'expected a duration such as 10s' });
const name = z.string().regex(/^[a-zA-Z0-9._-]+$/);
const command = z.array(z.string()).min(1);
/** `source:target[:ro]`; the source is a path that begins with `.` or `/`, or a volume. */
const mount = z
  .string()
  .regex(/^[^:]+:\/[^:]*(?::ro)?$/, { error: 'expected source:/target or source:/target:ro' })
  .transform((text) => {
    const [source = '', target = '', mode] = text.split(':');
    return { source, target, readOnly: mode === 'ro', isPath: /^[./]/.test(source) };
  });
const published = z
  .string()
  .regex(/^(?:(?:\d{1,3}\.){3}\d{1,3}:)?\d+:\d+(?:\/(?:tcp|udp))?$/, {
    error: 'expected [address:]port:port[/protocol]',
  })
  .transform((text) => {
    const parts = text.replace(/\/.*$/, '').split(':');
    const [container = '', host = '', address = '0.0.0.0'] = parts.toReversed();
    return { address, host: Number(host), container: Number(container) };
  });

const healthcheck = z.union([
  z.strictObject({ disable: z.literal(true) }),
  z.strictObject({
    test: z.tuple([z.enum(['CMD', 'CMD-SHELL'])], z.string()),
    interval: duration,
    timeout: duration,
    retries: z.int().min(1),
    start_period: duration.optional(),
  }),
]);

const condition = z.enum(['service_started', 'service_healthy', 'service_completed_successfully']);
const dependencies = z.union([
  z
    .array(name)
    .transform((names) =>
      Object.fromEntries(
        names.map((dependency) => [dependency, { condition: 'service_started' as const, required: true }]),
      ),
    ),
  z.record(name, z.strictObject({ condition, required: z.boolean().default(true) })),
]);

const service = z.strictObject({
  image: z.string().min(1),
  build: z.strictObject({ context: z.string(), dockerfile: z.string() }).optional(),
  /** Not of Compose: whether `--scale` may make several containers of it. */
  'x-scalable': z.literal(true).optional(),
  pull_policy: z.enum(['always', 'never', 'missing', 'build']).optional(),
  hostname: name.optional(),
  container_name: name.optional(),
  profiles: z.array(name).optional(),
  entrypoint: command.optional(),
  command: command.optional(),
  environment: z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string()).default({}),
  user: z
    .string()
    .regex(/^\d+:\d+$/)
    .optional(),
  init: z.literal(true),
  read_only: z.literal(true),
  cap_drop: z.tuple([z.literal('ALL')]),
  cap_add: z.array(z.enum(['KILL', 'SETGID', 'SETUID', 'SYS_NICE'])).optional(),
  security_opt: z.array(z.string()),
  depends_on: dependencies.default({}),
  restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']),
  stop_signal: z.enum(['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1']).optional(),
  stop_grace_period: duration.optional(),
  network_mode: z.literal('none').optional(),
  networks: z.record(name, z.strictObject({ ipv4_address: z.ipv4().optional() })).default({}),
  ports: z.array(published).default([]),
  healthcheck,
  ulimits: z
    .record(
      z.enum(['core', 'memlock', 'nice', 'nofile', 'nproc', 'rtprio', 'stack']),
      z.union([z.int(), z.strictObject({ soft: z.int(), hard: z.int() })]).optional(),
    )
    .optional(),
  volumes: z.array(mount).default([]),
  tmpfs: z.array(z.string().regex(/^\/[^:]*(?::[a-z0-9=,]+)?$/)).default([]),
  logging: z.strictObject({ driver: z.string(), options: z.record(z.string(), z.string()) }),
});

/** Containers without an address of their own get one of `ip_range`. */
const addressPlan = z.strictObject({ subnet: z.cidrv4(), ip_range: z.cidrv4(), gateway: z.ipv4() });

const composeFile = z.strictObject({
  name,
  services: z.record(name, service),
  networks: z.record(name, z.strictObject({ ipam: z.strictObject({ config: z.tuple([addressPlan]) }) })),
  volumes: z.record(
    name,
    z.strictObject({ driver: z.literal('local'), driver_opts: z.record(z.string(), z.string()) }).nullable(),
  ),
});

export type ComposeFile = z.output<typeof composeFile>;
export type ComposeService = ComposeFile['services'][string];

/** What is wrong with a file, a line each. */
export class ComposeFileError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ComposeFileError';
    this.problems = problems;
  }
}

/**
 * Reads a Compose file as it is with no variable set: defaults filled in, merge keys merged, extensions left out.
 *
 * @throws ComposeFileError with everything that is not as it should be
 */
export function parseComposeFile(text: string): ComposeFile {
  let document: unknown;
  try {
    document = parse(text, { merge: true });
  } catch (error) {
    throw new ComposeFileError([`not valid YAML: ${String(error)}`]);
  }
  const problems: string[] = [];
  const interpolated = mapStrings(document, (value) => interpolate(value, problems));
  const known =
    typeof interpolated === 'object' && interpolated !== null
      ? Object.fromEntries(Object.entries(interpolated).filter(([key]) => !key.startsWith('x-')))
      : interpolated;
  const parsed = composeFile.safeParse(known);
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`));
  }
  if (problems.length > 0 || !parsed.success) throw new ComposeFileError(problems);
  return parsed.data;
}

/** `$$` is a dollar, `${NAME:-default}` its default; nothing may depend on a variable without one. */
function interpolate(text: string, problems: string[]): string {
  return text.replaceAll(
    /\$(?:(\$)|\{[A-Z][A-Z0-9_]*:-([^}]*)\}|)/g,
    (all: string, dollar?: string, byDefault?: string) => {
      if (dollar !== undefined) return '$';
      if (byDefault !== undefined) return byDefault;
      problems.push(`expected \`$$\` or \`\${NAME:-default}\` for each \`$\` in: ${text}`);
      return all;
    },
  );
}

function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapStrings(item, change)]));
}
