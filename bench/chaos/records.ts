import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const attemptSeen = z.object({
  trunkId: z.string(),
  startedAt: z.string(),
  ringingAt: z.string().nullable(),
  answeredAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  disposition: z.string().nullable(),
});

const callSeen = z.object({
  id: z.string(),
  verificationId: z.string().nullable(),
  to: z.string(),
  state: z.string(),
  disposition: z.string().nullable(),
  createdAt: z.string(),
  endedAt: z.string().nullable(),
  attempts: z.array(attemptSeen),
});

/** A call as a node tells it. */
export type CallSeen = z.output<typeof callSeen>;

const page = z.object({
  calls: z.array(z.object({ id: z.string(), to: z.string() })),
  next: z.string().nullable(),
});

/** A row of the ledger, or of a sink. */
const recordSeen = z.object({
  callId: z.string(),
  attempt: z.int(),
  trunkId: z.string(),
  disposition: z.string(),
});

export type RecordSeen = z.output<typeof recordSeen>;

const AT_ONCE = 16;

async function get(url: string): Promise<Response> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  if (!response.ok && response.status !== 404) throw new Error(`${response.status} for ${url}`);
  return response;
}

/** How many calls a node knows of that have not ended: 0, or more than that. */
export async function unfinished(url: string): Promise<number> {
  const states = ['queued', 'dialing', 'ringing', 'answered'];
  const counts = await Promise.all(
    states.map(async (state) => {
      const response = await get(`${url}/v1/calls?limit=500&state=${state}`);
      return page.parse(await response.json()).calls.length;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Number and id of every call that a node lists. */
export async function listedCalls(url: string): Promise<readonly { id: string; to: string }[]> {
  const all: { id: string; to: string }[] = [];
  for (let after = ''; ; ) {
    const response = await get(`${url}/v1/calls?limit=500${after === '' ? '' : `&after=${after}`}`);
    const { calls, next } = page.parse(await response.json());
    all.push(...calls);
    if (next === null) return all;
    after = next;
  }
}

/** Calls as one node tells them, by id; one that it does not know is missing. */
export async function callsAt(url: string, ids: readonly string[]): Promise<ReadonlyMap<string, CallSeen>> {
  const seen = new Map<string, CallSeen>();
  const left = [...ids];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) {
        const response = await get(`${url}/v1/calls/${id}`);
        const body: unknown = await response.json();
        if (response.status === 200) seen.set(id, callSeen.parse(body));
      }
    }),
  );
  return seen;
}

/** The ledger as a node exports it: NDJSON. */
export async function exportedLedger(url: string): Promise<string> {
  return (await get(`${url}/v1/cdrs?format=ndjson`)).text();
}

/** Rows of NDJSON text, and lines that are none. */
export interface RecordLines {
  readonly records: readonly RecordSeen[];
  readonly malformed: readonly string[];
}

/** @param source what the text is called where a line of it is malformed */
export function recordsIn(text: string, source: string): RecordLines {
  const records: RecordSeen[] = [];
  const malformed: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    try {
      records.push(recordSeen.parse(JSON.parse(line)));
    } catch {
      malformed.push(`${source}:${index + 1}`);
    }
  }
  return { records, malformed };
}

/** Rows of all files of the sinks, those included that are being written. */
export async function sunkRecords(folders: readonly string[]): Promise<RecordLines> {
  const files: RecordLines[] = [];
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names) {
      if (!/\.ndjson(\.open)?$/.test(name)) continue;
      files.push(recordsIn(await readFile(join(folder, name), 'utf8'), name));
    }
  }
  return {
    records: files.flatMap(({ records }) => records),
    malformed: files.flatMap(({ malformed }) => malformed),
  };
}
