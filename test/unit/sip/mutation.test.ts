import { describe, expect, it } from 'vitest';
import {
  type Dialog,
  dialogOfUac,
  dialogOfUas,
  nextHopUri,
  receiveIn,
  requestIn,
} from '../../../src/sip/dialog.ts';
import { parseChallenges } from '../../../src/sip/digest.ts';
import {
  contactUri,
  faultOf,
  formatVia,
  parseCSeq,
  parseNameAddress,
  parseNumber,
  parseReason,
  parseSessionExpires,
  parseVia,
  topVia,
} from '../../../src/sip/header.ts';
import {
  formatMessage,
  hasToken,
  headerList,
  parseMessage,
  type SipRequest,
  splitOutsideQuotes,
} from '../../../src/sip/message.ts';
import { responseTo } from '../../../src/sip/response.ts';
import { cutFrames } from '../../../src/sip/stream-framing.ts';
import { parseUri } from '../../../src/sip/uri.ts';
import { cpuMs } from '../../support/cpu-time.ts';
import { mutate } from '../../support/sip/mutate.ts';
import { SAMPLES } from '../../support/sip/sample-messages.ts';
import { seededRandom } from '../../support/sip/seeded-random.ts';
import { INVALID } from '../../support/sip/torture-invalid.ts';
import { SEMANTICS } from '../../support/sip/torture-semantics.ts';
import { VALID } from '../../support/sip/torture-valid.ts';

const SEED = 20_240_611;
const MUTATIONS = 20_000;
const CORPUS = [SAMPLES, SAMPLES, VALID, INVALID, SEMANTICS].flatMap((table) => Object.values(table));

const INVITE = parseMessage(SAMPLES.invite as Buffer) as SipRequest;
const DIALOG: Dialog = {
  callId: '2f0e1d5c-8b7a-4c3d-9e21-a1b2c3d4e5f6',
  local: '"Verify" <sip:+15550100@192.0.2.20>;tag=5d1c7a',
  remote: '<sip:+4930123456@192.0.2.10>;tag=as58f4201b',
  localTag: '5d1c7a',
  remoteTag: 'as58f4201b',
  remoteTarget: 'sip:+4930123456@192.0.2.30:5080',
  routeSet: [],
  localCSeq: 2,
  remoteCSeq: undefined,
};

/** Everything that reads what came from the network, as an endpoint, a session and an invite would. */
function readEverything(bytes: Buffer): void {
  const frames = cutFrames(bytes);
  for (const frame of frames.messages) parseMessage(frame);
  const message = parseMessage(bytes);
  if (message.kind === 'keep_alive') return;
  if (message.kind === 'malformed') {
    if (message.partial !== undefined) formatMessage(responseTo(message.partial, 400, { toTag: 'x' }));
    return;
  }
  const fault = faultOf(message);
  const via = topVia(message);
  if (via !== undefined) expect(parseVia(formatVia(via))).toEqual(via);
  for (const [name, value] of message.headers) {
    for (const part of headerList(message, name)) {
      parseNameAddress(part);
      parseUri(part);
      parseVia(part);
    }
    parseChallenges([value]);
    parseCSeq(value);
    parseNumber(value);
    parseSessionExpires(value);
  }
  contactUri(message);
  parseReason(message);
  hasToken(message, 'Require', '100rel');
  if (fault !== undefined) return;
  const dialog = message.kind === 'response' ? dialogOfUac(INVITE, message) : dialogOfUas(message, 'ours');
  if (dialog !== undefined) {
    nextHopUri(dialog);
    formatMessage(requestIn(dialog, 'BYE')[1]);
  }
  if (message.kind !== 'request') return;
  receiveIn(DIALOG, message);
  const answer = parseMessage(formatMessage(responseTo(message, 200, { toTag: 'x', body: 'v=0\r\n' })));
  // What is well-formed stays so in the answer that repeats it.
  if (answer.kind !== 'response') throw new Error(`the answer is ${JSON.stringify(answer)}`);
  expect(faultOf(answer)).toBeUndefined();
}

describe('mutations of real messages', () => {
  it(`${MUTATIONS} of them: nothing throws`, { timeout: 120_000 }, () => {
    const random = seededRandom(SEED);
    const kinds = { well: 0, malformed: 0 };
    for (let step = 0; step < MUTATIONS; step++) {
      const bytes = mutate(random, CORPUS);
      try {
        readEverything(bytes);
      } catch (cause) {
        throw new Error(`seed ${SEED}, step ${step}, base64 ${bytes.toString('base64')}`, { cause });
      }
      kinds[parseMessage(bytes).kind === 'malformed' ? 'malformed' : 'well']++;
    }
    // Both sides of every reader were reached.
    expect(Math.min(kinds.well, kinds.malformed)).toBeGreaterThan(MUTATIONS / 10);
  });

  it.each(Object.getOwnPropertyNames(Object.prototype))('a header called %s is a header', (name) => {
    const bytes = Buffer.from(`OPTIONS sip:a@b SIP/2.0\r\n${name}: x\r\n\r\n`);
    expect(parseMessage(bytes)).toMatchObject({ kind: 'request', headers: [[expect.any(String), 'x']] });
  });
});

/** Readers of one value, each with beginnings that take it past its first checks. */
const READERS: Readonly<Record<string, [starts: string[], read: (text: string) => unknown]>> = {
  parseVia: [['', 'SIP', 'SIP/2.0/UDP', 'SIP/2.0/UDP a', 'SIP/2.0/UDP a;b="'], parseVia],
  parseNameAddress: [['', '"', 'a', 'a <', 'a <sip:b>', 'sip:a@b'], parseNameAddress],
  parseUri: [['', 'sip:', 'sip:a@', 'sip:a@b', 'sip:a@b;', 'sip:[', 'sip:a@b?'], parseUri],
  parseCSeq: [['', '1', '1 INVITE'], parseCSeq],
  parseNumber: [['', '1', '1 ('], parseNumber],
  parseSessionExpires: [['', '90', '90;refresher'], parseSessionExpires],
  parseChallenges: [
    ['', 'Digest', 'Digest realm', 'Digest realm="', 'Digest a=b,'],
    (t) => parseChallenges([t]),
  ],
  splitOutsideQuotes: [['', '"', '<'], (text) => splitOutsideQuotes(text, ',')],
  parseMessage: [
    [
      ...['', 'INVITE', 'INVITE ', 'INVITE sip:a@b', 'SIP/2.0', 'SIP/2.0 200', 'OPTIONS sip:a@b SIP/2.0\r\n'],
      ...['OPTIONS sip:a@b SIP/2.0\r\nVia:', 'OPTIONS sip:a@b SIP/2.0\r\nl'],
    ],
    (text) => parseMessage(Buffer.from(`${text}\r\n\r\n`)),
  ],
  faultOf: [
    ['Via: SIP/2.0/UDP a', 'To:', 'Call-ID: ', 'CSeq: '],
    (text) => {
      const rest =
        'v: SIP/2.0/UDP a\r\nf: <sip:a@b>;tag=1\r\nt: <sip:a@b>\r\ni: 1\r\nCSeq: 1 OPTIONS\r\n\r\n';
      const message = parseMessage(Buffer.from(`OPTIONS sip:a@b SIP/2.0\r\n${text}\r\n${rest}`));
      return message.kind === 'request' ? faultOf(message) : undefined;
    },
  ],
  cutFrames: [
    ['', 'a', 'l', 'l:', '\r\nl: 0', '\r\nContent-Length'],
    (text) => cutFrames(Buffer.from(`${text}\r\n\r\n`)),
  ],
};

const FILLERS = [
  ...[
    ' ',
    '\t',
    ' \t',
    '\r\n ',
    '\n ',
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    'l: 0\r\n\r\n',
    '"',
    '\\',
    '\\"',
    '<',
    '>',
  ],
  ...[
    '<>',
    ',',
    ', ',
    ';',
    '; ',
    ':',
    ' :',
    '=',
    'a=',
    'a=,',
    ';a',
    ',a',
    ',a b=',
    '@',
    '?',
    '/',
    '-',
    '.',
    'a',
    'a.',
    '0',
    '%',
  ],
];
const ENDS = ['', 'x', '\rx', '"', '!', ':5060', '>'];

const SHORT = 1_000;
const TIMES = 16;

function bestMs(runs: number, work: () => void): number {
  return Math.min(...Array.from({ length: runs }, () => cpuMs(work)));
}

/** One long text against as many bytes in short texts: about 1 where work is linear, TIMES where it is quadratic. */
function growth(read: (text: string) => unknown, make: (length: number) => string): number {
  const [short, long] = [make(SHORT), make(SHORT * TIMES)];
  // Most are done before a clock could tell anything.
  if (bestMs(1, () => read(long)) < 3) return 1;
  const longMs = bestMs(7, () => read(long));
  const shortMs = bestMs(7, () => {
    for (let i = 0; i < TIMES; i++) read(short);
  });
  return longMs / Math.max(shortMs, 0.25);
}

describe('hostile repetitions', () => {
  it.each(Object.keys(READERS))('%s does work in proportion to the length', { timeout: 120_000 }, (name) => {
    const [starts, read] = READERS[name] as (typeof READERS)[string];
    const slow: string[] = [];
    for (const start of starts) {
      for (const filler of FILLERS) {
        for (const end of ENDS) {
          const make = (length: number) => start + filler.repeat(length / filler.length) + end;
          const ratio = growth(read, make);
          if (ratio > TIMES / 2) slow.push(`${JSON.stringify([start, filler, end])}: ${ratio.toFixed(1)}`);
        }
      }
    }
    expect(slow).toEqual([]);
  });
});
