import { isSupportedCountry } from 'libphonenumber-js/min';
import { z } from 'zod';
import { microsOf } from './cdr/billing.ts';
import type { Callback, Client, ClientKey, Scope } from './clients/client.ts';
import { SCOPES } from './clients/client.ts';
import { KEY_HASH } from './clients/keys.ts';
import { kept, required } from './config-kept.ts';
import type { Report } from './config-secrets.ts';
import { name, path } from './config-values.ts';
import { templateComplaint } from './prompt/text-template.ts';
import { Secret } from './secret.ts';

const EXPECTED_KEY_HASH =
  'expected `sha256:` and 64 hexadecimal digits, as `voice-otp client add` prints them';
const EXPECTED_SECRET = 'expected `whsec_` and 24 to 64 bytes in base64, as `voice-otp client add` prints it';
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;
const MAX_CLIENTS = 1000;
/** What clients of the short form may do, and where nothing else is said. */
const COMMON_SCOPES: readonly Scope[] = SCOPES.filter((scope) => scope !== 'operator');

const keyHash = z.string().regex(KEY_HASH, { error: EXPECTED_KEY_HASH });

/** From when on a key opens nothing, as epoch milliseconds. */
const moment = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: 'expected a date such as `2027-03-31` (in UTC), or a time such as `2027-03-31T12:00:00+02:00`',
  })
  .transform((text) => Date.parse(text));

const clientKey = z.strictObject({
  hash: keyHash.optional(),
  hashFile: path.optional(),
  expiresAt: moment.optional(),
});

const country = z.string().refine((code) => isSupportedCountry(code), {
  error: 'expected a country such as `DE` (ISO 3166-1; the United Kingdom is `GB`)',
});

/** As trunks have them. */
const cli = z.string().regex(/^\+?[A-Za-z0-9_.-]{1,64}$/, {
  error: 'expected a number such as `+4930123456`, or another user part of a SIP address',
});

const template = z.string().refine((text) => templateComplaint(text) === undefined, {
  error: 'expected a text of up to 1000 characters with `{code}` in it',
});

const callbackSecret = z
  .string()
  .refine(isCallbackSecret, { error: EXPECTED_SECRET })
  .transform((text) => new Secret(text));

const callback = z.strictObject({
  url: z
    .string()
    .max(2048)
    .refine(isCallbackUrl, { error: 'expected an http or https URL without a user name and without `#`' }),
  secret: callbackSecret.optional(),
  secretFile: path.optional(),
  nextSecret: callbackSecret.optional(),
  nextSecretFile: path.optional(),
  events: z
    .array(
      z.string().regex(/^[a-z]+\.[a-z_]+$/, { error: 'expected a type of events such as `call.answered`' }),
    )
    .min(1)
    .max(100)
    .optional(),
});

/** An entry of `api.clients`: who uses the APIs; `Client` says what each key means. */
export const client = z.strictObject({
  id: name,
  keys: z.array(clientKey).min(1, { error: 'expected at least one key' }).max(10),
  scopes: z
    .array(z.enum(SCOPES))
    .min(1)
    .max(SCOPES.length)
    .default([...COMMON_SCOPES]),
  countries: z.array(country).max(300).optional(),
  clis: z.array(cli).max(10_000).optional(),
  templates: z.array(template).max(1000).optional(),
  callback: callback.optional(),
  limits: z
    .strictObject({
      perSecond: z.int().min(1).max(100_000).optional(),
      perDay: z.int().min(1).max(1_000_000_000).optional(),
    })
    .default({}),
  spend: z
    .strictObject({
      perDay: z.string().regex(/^[0-9]{1,9}(?:\.[0-9]{1,6})?$/, {
        error: 'expected an amount in quotes, such as `"12.50"`',
      }),
      currency: z.string().regex(/^[A-Z]{3}$/, { error: 'expected a currency such as `EUR`' }),
    })
    .optional(),
});

/** The short form of a client with one key. */
const apiKey = z.strictObject({
  id: name,
  hash: keyHash.optional(),
  hashFile: path.optional(),
  operator: z.boolean().optional(),
});

/** Of the section `api`: both forms of clients. */
export const clientLists = {
  clients: z.array(client).max(MAX_CLIENTS).prefault([]),
  keys: z.array(apiKey).max(MAX_CLIENTS).default([]),
};

interface ClientLists {
  readonly clients: readonly z.output<typeof client>[];
  readonly keys: readonly z.output<typeof apiKey>[];
}

/** The clients of both forms. What is wrong with them goes to `report`; the result is then of no use. */
export function clientsOf({ clients, keys }: ClientLists, report: Report): Client[] {
  reportSameIds({ clients, keys }, report);
  const found = [
    ...clients.map((one, index) => clientOf(one, ['api', 'clients', index], report)),
    ...keys.map((one, index) => shortClientOf(one, ['api', 'keys', index], report)),
  ];
  reportSharedKeys(found, report);
  return found.map(({ complete }) => complete);
}

/** A client, and where it stands. */
interface Placed {
  readonly place: readonly PropertyKey[];
  readonly complete: Client;
}

function clientOf(
  { id, keys, scopes, callback: told, spend, limits, ...rest }: ClientLists['clients'][number],
  place: readonly PropertyKey[],
  report: Report,
): Placed {
  const complete: Client = {
    id,
    keys: keys.flatMap((key, index) => keyOf(key, key.expiresAt, [...place, 'keys', index], report)),
    scopes,
    countries: rest.countries ?? null,
    clis: rest.clis ?? null,
    templates: rest.templates ?? null,
    callback: told === undefined ? null : callbackOf(told, [...place, 'callback'], report),
    limits: { perSecond: limits.perSecond ?? null, perDay: limits.perDay ?? null },
    spend: spend === undefined ? null : { currency: spend.currency, microsPerDay: microsOf(spend.perDay) },
  };
  return { place, complete };
}

function shortClientOf(
  { id, operator, ...key }: ClientLists['keys'][number],
  place: readonly PropertyKey[],
  report: Report,
): Placed {
  const complete: Client = {
    id,
    keys: keyOf(key, undefined, place, report),
    scopes: operator === true ? SCOPES : COMMON_SCOPES,
    countries: null,
    clis: null,
    templates: null,
    callback: null,
    limits: { perSecond: null, perDay: null },
    spend: null,
  };
  return { place, complete };
}

function keyOf(
  { hash: given, hashFile: file }: { hash?: string | undefined; hashFile?: string | undefined },
  expiresAt: number | undefined,
  owner: readonly PropertyKey[],
  report: Report,
): ClientKey[] {
  const hash = required({ owner, key: 'hash', given, file, from: (line) => line, report });
  if (hash === undefined) return [];
  if (!KEY_HASH.test(hash)) report([...owner, 'hashFile'], EXPECTED_KEY_HASH);
  return [{ hash, expiresAt: expiresAt ?? null }];
}

function callbackOf(
  { url, events, secret, secretFile, nextSecret, nextSecretFile }: z.output<typeof callback>,
  owner: readonly PropertyKey[],
  report: Report,
): Callback {
  const from = (line: string) => new Secret(line);
  const first = required({ owner, key: 'secret', given: secret, file: secretFile, from, report });
  const next = kept({ owner, key: 'nextSecret', given: nextSecret, file: nextSecretFile, from, report });
  for (const [key, read] of [
    ['secretFile', first],
    ['nextSecretFile', next],
  ] as const) {
    if (read !== undefined && !isCallbackSecret(read.reveal())) report([...owner, key], EXPECTED_SECRET);
  }
  const secrets = [first, next].filter((read) => read !== undefined);
  return { url, secrets, events: events ?? null };
}

function reportSameIds({ clients, keys }: ClientLists, report: Report): void {
  const known = new Set<string>();
  for (const [list, entries] of [
    ['clients', clients],
    ['keys', keys],
  ] as const) {
    for (const [index, { id }] of entries.entries()) {
      if (known.has(id)) report(['api', list, index, 'id'], 'expected an id that no other client has');
      known.add(id);
    }
  }
}

/** One key cannot say of two clients which of them it is. */
function reportSharedKeys(found: readonly Placed[], report: Report): void {
  const known = new Set<string>();
  for (const { place, complete } of found) {
    for (const { hash } of complete.keys) {
      if (known.has(hash)) report(place, 'expected a key that is not there twice');
      known.add(hash);
    }
  }
}

/** Standard Webhooks, "Signature scheme": the text after the prefix is the key in base64. */
function isCallbackSecret(text: string): boolean {
  const [, base64 = ''] =
    /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/.exec(text) ?? [];
  const { length } = Buffer.from(base64, 'base64');
  return length >= MIN_SECRET_BYTES && length <= MAX_SECRET_BYTES;
}

function isCallbackUrl(text: string): boolean {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false;
  const { username, password, hash } = new URL(text);
  return username === '' && password === '' && hash === '';
}
