import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import type { ParsedConfig } from './config-schema.ts';
import { configSchema } from './config-schema.ts';
import type { CompleteConfig, Report } from './config-secrets.ts';
import { readSecrets } from './config-secrets.ts';
import type { DeepReadonly } from './config-values.ts';
import { tlsTermsFault } from './engine/freeswitch/tls-terms.ts';
import { readHosts } from './outbound/url-guard.ts';
import { checkTemplate } from './prompt/templates.ts';

/** All settings of the process, checked and frozen to the bottom. Secrets are read wherever they were kept. */
export type Config = DeepReadonly<CompleteConfig>;

type HostSettings = Pick<ParsedConfig['webhooks'], 'allowedHosts' | 'internalHosts'>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration cannot be used. `problems` has one line for each thing to mend, led by its key. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(source: string, problems: readonly string[], cause?: unknown) {
    super(`${source} cannot be used:\n${problems.map((line) => `  ${line}`).join('\n')}`, { cause });
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

const PREFIX = 'VOICE_OTP_';
const FILE_VARIABLE = `${PREFIX}CONFIG`;
/** Variables that are no keys: the file, and what the commands read that ask a running service. */
const NO_KEYS: ReadonlySet<string> = new Set([FILE_VARIABLE, `${PREFIX}URL`, `${PREFIX}KEY`]);

/**
 * Reads the configuration: the file (`file`, else the one that VOICE_OTP_CONFIG names, else none), and over it
 * the `VOICE_OTP_…` variables of `env`. Paths are taken from the working directory.
 *
 * @throws ConfigError naming every key that is wrong and what is expected there, never a value
 */
export function loadConfig(options: { file?: string; env: Environment }): Config {
  const file = options.file ?? (options.env[FILE_VARIABLE] || undefined);
  const fromFile = file === undefined ? {} : parseFile(file);
  const { input, variables } = overridden(fromFile, options.env);
  return checked(input, file ?? 'The configuration', variables);
}

/** Checks settings that come from code, such as the demo's: the same rules and defaults as a file's. */
export function configFrom(settings: z.input<typeof configSchema>): Config {
  return checked(settings, 'The configuration', new Map());
}

/** The environment variable that overrides a key: `api.rateLimit.max` → `VOICE_OTP_API_RATE_LIMIT_MAX`. */
export function variableOf(path: readonly string[]): string {
  return PREFIX + path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_');
}

function parseFile(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(file, ['it cannot be read'], error);
  }
  const lines = new LineCounter();
  // Pretty errors would quote the line, and a password with it.
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines });
  if (document.errors.length > 0) {
    throw new ConfigError(
      file,
      document.errors.map(({ code, pos }) => {
        const { line, col } = lines.linePos(pos[0]);
        return `line ${line}, column ${col}: not valid YAML (${code})`;
      }),
    );
  }
  return plainOf(document, file) ?? {};
}

function plainOf(document: ReturnType<typeof parseDocument>, source: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 20 });
  } catch (error) {
    throw new ConfigError(source, ['it has more YAML aliases than any configuration needs'], error);
  }
}

/** Puts the variables over the file's keys, and remembers which key came from which variable. */
function overridden(fromFile: unknown, env: Environment): { input: unknown; variables: Map<string, string> } {
  const variables = new Map<string, string>();
  if (!isRecord(fromFile)) {
    return { input: fromFile, variables };
  }
  // A section whose keys are all commented out is null in YAML.
  const input: Record<string, unknown> = Object.fromEntries(
    Object.entries(fromFile).filter(([, value]) => value !== null),
  );
  const keys = new Map(leaves(configSchema).map((leaf) => [variableOf(leaf.path), leaf]));
  const problems: string[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || NO_KEYS.has(variable) || text === undefined || text === '') {
      continue;
    }
    const leaf = keys.get(variable);
    if (leaf === undefined) {
      problems.push(`${variable}: there is no such key`);
      continue;
    }
    variables.set(leaf.path.join('.'), variable);
    set(input, leaf.path, leaf.isText ? text : yamlValue(text, variable));
  }
  if (problems.length > 0) {
    throw new ConfigError('The environment', problems);
  }
  return { input, variables };
}

function checked(input: unknown, source: string, variables: ReadonlyMap<string, string>): Config {
  const parsed = configSchema.safeParse(input, { error: expected });
  if (!parsed.success) {
    throw new ConfigError(
      source,
      parsed.error.issues.map(({ path, message }) => lineOf(path, message, variables)),
    );
  }
  const problems: string[] = [];
  const report: Report = (path, message) => {
    problems.push(lineOf(path, message, variables));
  };
  reportContradictions(parsed.data, report);
  const complete = readSecrets(parsed.data, report);
  if (problems.length === 0) reportDistrust(complete, report);
  if (problems.length > 0) {
    throw new ConfigError(source, problems);
  }
  return deepFreeze(complete);
}

/** Whose the page's verifications are has to be said where there are clients, and cannot be where there are none. */
function reportPage({ page, clients, keys }: ParsedConfig['api'], report: Report): void {
  const ids = [...clients, ...keys].map(({ id }) => id);
  if (!page.enabled || (ids.length === 0 && page.client === undefined)) return;
  if (page.client === undefined || !ids.includes(page.client)) {
    report(['api', 'page', 'client'], 'expected the id of one of `api.clients` or `api.keys`');
  }
}

/** What no single key can say: relations between keys. */
function reportContradictions(config: ParsedConfig, report: Report): void {
  const { api, verification, trunks, flash } = config;
  if (api.keys.length + api.clients.length === 0 && !isLoopback(api.host)) {
    report(
      ['api', 'clients'],
      'expected at least one client, because `api.host` is not a loopback address: without keys anybody who reaches it could place calls (`voice-otp client add` makes one)',
    );
  }
  reportPage(api, report);
  for (const [index, trunk] of trunks.entries()) {
    const { id, username, password, passwordFile, flashPool, identity, register } = trunk;
    if (trunks.findIndex((other) => other.id === id) < index) {
      report(['trunks', index, 'id'], 'expected an id that no other trunk has');
    }
    if ((username === undefined) !== (password === undefined && passwordFile === undefined)) {
      report(['trunks', index, 'username'], 'expected together with `password` or `passwordFile`');
    }
    if (register !== undefined && username === undefined) {
      report(['trunks', index, 'register'], 'expected together with `username` and a password');
    }
    if (flashPool.length > 0 && identity === 'pai_privacy') {
      report(
        ['trunks', index, 'flashPool'],
        'expected none, because `identity` is `pai_privacy`: the phone would show no number',
      );
    }
  }
  if (flash.ringHoldMs >= flash.maxRingSeconds * 1000) {
    report(['flash', 'ringHoldMs'], 'expected less than `flash.maxRingSeconds`');
  }
  if (verification.ttlSeconds > verification.maxTtlSeconds) {
    report(['verification', 'ttlSeconds'], 'expected at most `verification.maxTtlSeconds`');
  }
  switch (config.engine) {
    case 'embedded':
      reportPorts(config, report);
      break;
    case 'freeswitch':
      reportMissingServers(config, report);
      reportLocalhost(config, report);
      break;
  }
  reportCallbackPorts(config, report);
  reportStore(config, report);
  reportSpeech(config, report);
  reportTwins(config, report);
}

function reportPorts({ rtp, calls }: ParsedConfig, report: Report): void {
  // RTP takes the even port of a pair, RTCP the odd one (RFC 3550 §11).
  if (rtp.portMin % 2 !== 0) {
    report(['rtp', 'portMin'], 'expected an even port');
  }
  if (rtp.portMax - rtp.portMin + 1 < 2 * calls.maxConcurrent) {
    report(
      ['rtp', 'portMax'],
      `expected a range of at least ${2 * calls.maxConcurrent} ports from \`rtp.portMin\` on, two for each of \`calls.maxConcurrent\``,
    );
  }
}

const SERVER_LISTS = ['drachtioServers', 'mediaServers'] as const;

function reportMissingServers({ freeswitch }: ParsedConfig, report: Report): void {
  for (const list of SERVER_LISTS) {
    if (freeswitch[list].length === 0) {
      report(['freeswitch', list], 'expected at least one server, because `engine` is `freeswitch`');
    }
  }
}

/** drachtio puts its own address in the place of this name, in To and in From. */
function reportLocalhost({ trunks }: ParsedConfig, report: Report): void {
  for (const [index, { host }] of trunks.entries()) {
    if (host.toLowerCase().startsWith('localhost'))
      report(
        ['trunks', index, 'host'],
        'expected another name, such as 127.0.0.1, with `engine: freeswitch`',
      );
  }
}

/** A call must not be less safe than its trunk says: drachtio has one trust for all of them. */
function reportDistrust({ engine, trunks, freeswitch }: CompleteConfig, report: Report): void {
  if (engine !== 'freeswitch') return;
  for (const [index, { transport, outboundProxy, tls }] of trunks.entries()) {
    if (transport !== 'tls' && outboundProxy?.transport !== 'tls') continue;
    const fault = tlsTermsFault(tls, freeswitch.tls);
    if (fault !== undefined)
      report(
        ['trunks', index, tls === undefined ? 'transport' : 'tls'],
        `cannot be had with \`engine: freeswitch\`: ${fault}`,
      );
  }
}

/** Two entries for one server would count it twice and give it two connections. */
function reportTwins({ freeswitch }: ParsedConfig, report: Report): void {
  for (const list of SERVER_LISTS) {
    const places = freeswitch[list].map(({ host, port }) => `${host.toLowerCase()} ${port}`);
    for (const [index, place] of places.entries()) {
      if (places.indexOf(place) < index) {
        report(['freeswitch', list, index, 'host'], 'expected a host and port that no other server has');
      }
    }
  }
}

/** A section that is there for nothing would have its owner believe that several nodes are one. */
function reportStore({ store: { kind, redis } }: ParsedConfig, report: Report): void {
  if (kind === 'redis' && redis === undefined) {
    report(['store', 'redis'], 'required, because `store.kind` is `redis`');
  }
  if (kind === 'sqlite' && redis !== undefined) {
    report(['store', 'redis'], 'expected none, because `store.kind` is `sqlite`');
  }
}

function reportSpeech({ speech, webhooks }: ParsedConfig, report: Report): void {
  const ids = speech.providers.map(({ id }) => id);
  for (const [index, id] of ids.entries()) {
    if (ids.indexOf(id) < index) {
      report(['speech', 'providers', index, 'id'], 'expected an id that no other provider has');
    }
  }
  reportHosts(['speech', 'urls'], speech.urls, report);
  reportHosts(['webhooks'], webhooks, report);
  for (const [locale, template] of Object.entries(speech.templates)) {
    try {
      checkTemplate(template);
    } catch (error) {
      report(['speech', 'templates', locale], error instanceof Error ? error.message : 'cannot be used');
    }
  }
}

function reportHosts(path: readonly string[], hosts: HostSettings, report: Report): void {
  try {
    readHosts(hosts.allowedHosts, hosts.internalHosts);
  } catch (error) {
    report(path, error instanceof Error ? error.message : 'cannot be used');
  }
}

/** Each media server calls back to a port of its own, counted from `callback.port` on. */
function reportCallbackPorts({ freeswitch }: ParsedConfig, report: Report): void {
  const { callback, mediaServers } = freeswitch;
  if (callback.port > 0 && callback.port + mediaServers.length - 1 > 65_535) {
    report(['freeswitch', 'callback', 'port'], 'expected room for one port for each media server');
  }
}

/** Whether only this machine reaches `host`: a name or an address without brackets. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** Message of an issue where the schema has none of its own: what is expected, and never what was given. */
function expected(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    if (issue.input === undefined) {
      return `required (expected ${issue.expected})`;
    }
    const hint = issue.expected === 'string' && typeof issue.input === 'number' ? ': write it in quotes' : '';
    return `expected ${issue.expected}, not ${issue.input === null ? 'null' : typeof issue.input}${hint}`;
  }
  if (issue.code === 'unrecognized_keys') {
    return `there is no such key: ${issue.keys.join(', ')}`;
  }
  return undefined;
}

function lineOf(
  path: readonly PropertyKey[],
  message: string,
  variables: ReadonlyMap<string, string>,
): string {
  const key = path.map(String).join('.');
  const variable = [...variables].find(([name]) => key === name || key.startsWith(`${name}.`))?.[1];
  return `${key === '' ? 'top level' : key}${variable === undefined ? '' : ` (${variable})`}: ${message}`;
}

interface Leaf {
  readonly path: readonly string[];
  readonly isText: boolean;
}

/** Keys that are no section. Lists are leaves: a variable replaces them whole. */
function leaves(schema: z.core.$ZodType, path: readonly string[] = []): Leaf[] {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodObject) {
    const shape: Readonly<Record<string, z.core.$ZodType>> = inner.shape;
    return Object.entries(shape).flatMap(([key, child]) => leaves(child, [...path, key]));
  }
  return [{ path, isText: inner instanceof z.ZodString || inner instanceof z.ZodEnum }];
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  // A secret is a text that is made into something else.
  if (schema instanceof z.ZodPipe) return unwrapped(schema.in);
  return schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional
    ? unwrapped(schema.unwrap())
    : schema;
}

function set(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (key === undefined) {
    return;
  }
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const section = target[key];
  const copy: Record<string, unknown> = isRecord(section) ? { ...section } : {};
  target[key] = copy;
  set(copy, rest, value);
}

function yamlValue(text: string, variable: string): unknown {
  const document = parseDocument(text, { prettyErrors: false });
  // Left as it is, the schema says what it expects instead.
  return document.errors.length > 0 ? text : plainOf(document, variable);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && child !== null && !Object.isFrozen(child)) {
      deepFreeze(child as object);
    }
  }
  return Object.freeze(value);
}
