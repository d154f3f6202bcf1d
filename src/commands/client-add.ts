import { randomBytes } from 'node:crypto';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { createKey } from '../clients/keys.ts';
import { client as clientSchema } from '../config-clients.ts';
import { command, JSON_OPTION, UsageError } from './command.ts';
import { checkClientId } from './key.ts';
import { writeJson } from './screen.ts';

type Entry = z.input<typeof clientSchema>;

/** Twice what an HMAC with SHA-256 needs at least, and half of what Standard Webhooks allows at most. */
const SECRET_BYTES = 32;

/** `client add`: shows a new client's key once, and what stands for the client in the configuration. */
export const clientAdd = command({
  options: {
    scope: { type: 'string', value: 'LIST', gist: 'what its keys open, such as verifications,calls' },
    country: { type: 'string', value: 'LIST', gist: 'countries that it may call, such as DE,AT' },
    cli: { type: 'string', value: 'LIST', gist: 'calling numbers that it may ask for' },
    expires: { type: 'string', value: 'DATE', gist: 'the key opens nothing from then on' },
    callback: { type: 'string', value: 'URL', gist: 'where it hears of its verifications and calls' },
    'per-second': { type: 'string', value: 'N', gist: 'verifications and calls within any second' },
    'per-day': { type: 'string', value: 'N', gist: 'and within any 24 hours' },
    spend: { type: 'string', value: 'AMOUNT', gist: 'what its calls of a day may cost, such as 12.50EUR' },
    ...JSON_OPTION,
  },
  about: `The key belongs to the client; the configuration has its hash. Nothing is written anywhere: paste the entry,
and send the service SIGHUP. For further keys of a client, \`key\` makes the hash.`,
  run: ({ values, positionals: [id = ''], out }) => {
    checkClientId(id);
    const { key, hash } = createKey(id, randomBytes);
    const { expires, callback, spend, json } = values;
    const limits = {
      ...(values['per-second'] === undefined ? {} : { perSecond: wholeOf(values['per-second']) }),
      ...(values['per-day'] === undefined ? {} : { perDay: wholeOf(values['per-day']) }),
    };
    const entry = checked({
      id,
      keys: [{ hash, ...(expires === undefined ? {} : { expiresAt: expires }) }],
      ...(values.scope === undefined ? {} : { scopes: listOf(values.scope) as Entry['scopes'] }),
      ...(values.country === undefined ? {} : { countries: listOf(values.country) }),
      ...(values.cli === undefined ? {} : { clis: listOf(values.cli) }),
      ...(callback === undefined ? {} : { callback: { url: callback, secret: newSecret() } }),
      ...(Object.keys(limits).length === 0 ? {} : { limits }),
      ...(spend === undefined ? {} : { spend: spendOf(spend) }),
    });
    if (json) {
      writeJson(out, { id, key, client: entry });
      return 0;
    }
    const yaml = stringify({ api: { clients: [entry] } }, { lineWidth: 0 });
    out.write(`The key, shown only now:\n  ${key}\n\nFor the configuration:\n`);
    out.write(yaml.replace(/^(?=.)/gm, '  '));
    return 0;
  },
});

/** @throws UsageError where the configuration would not take it */
function checked(entry: Entry): Entry {
  const { error } = clientSchema.safeParse(entry);
  if (error === undefined) return entry;
  const problems = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new UsageError(problems.join('\n'));
}

function listOf(text: string): string[] {
  return text.split(',').map((item) => item.trim());
}

/** What is no number is left to the schema, which says what it expects. */
function wholeOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

function spendOf(text: string): NonNullable<Entry['spend']> {
  const [, perDay = '', currency = ''] = /^(.*?) ?([A-Za-z]*)$/.exec(text) ?? [];
  return { perDay, currency };
}

function newSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
}
