import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EmbeddedEngine } from '../../../src/engine/embedded/embedded-engine.ts';
import type { LabCarrier } from '../../../src/lab/carrier.ts';
import type { WireMessage } from '../../../src/sip/transport.ts';
import { CallTrace, callIdOf } from '../../../src/trace/call-trace.ts';
import { traceEntries, traceLadder, traceText } from '../../../src/trace/trace-text.ts';
import { startEmbedded } from '../../support/embedded.ts';
import { LAB_CREDENTIALS, startCarrier } from '../../support/lab.ts';
import type { LegOverrides } from '../../support/legs.ts';
import { eventsOf, legTo } from '../../support/legs.ts';

const CLI = '+441614960716';
/** Times, names and ports, which have any digits. */
const BY_CHANCE =
  /\d{4}-\d\d-\d\dT[\d:.]+Z|branch=[\w.]+|tag=\w+|Call-ID: \S+|o=- \d+ \d+|127\.0\.0\.1:\d+|m=audio \d+/g;

let carrier: LabCarrier;
let engine: EmbeddedEngine;
let trace: CallTrace;
let whole: WireMessage[];

beforeAll(async () => {
  ({ carrier } = await startCarrier());
  engine = await startEmbedded({
    onWire: (message) => {
      whole.push(message);
      // The engine does not say yet which call a Call-ID belongs to; in these tests there is one call.
      trace.follow('call_a', callIdOf(message.text) ?? '');
      trace.take(message);
    },
  });
});

afterAll(async () => {
  await engine.close(new AbortController().signal);
  await carrier.close();
});

beforeEach(() => {
  whole = [];
  trace = new CallTrace({
    maxCalls: 10,
    maxBytes: 1e6,
    local: () => ({ address: '127.0.0.1', port: engine.port }),
  });
});

async function carry(
  suffix: string,
  more: LegOverrides = {},
): Promise<NonNullable<ReturnType<CallTrace['of']>>> {
  const from = { uri: `sip:${CLI}@127.0.0.1`, displayName: CLI };
  const headers = [['P-Asserted-Identity', `<sip:${CLI}@127.0.0.1>`]] as const;
  const leg = legTo(carrier.port, `+4930123${suffix}`, {
    from,
    headers,
    credentials: LAB_CREDENTIALS,
    ...more,
  });
  await eventsOf(engine, leg);
  const found = trace.of('call_a');
  if (found === undefined) throw new Error('nothing was traced');
  return found;
}

/** The first lines of messages, shortened to what a ladder shows. */
function rungs(lines: readonly string[]): readonly string[] {
  return lines.map((line) =>
    line
      .replace(/^ *\d+ ms/, '')
      .replace(/[│─▶◀]/g, '')
      .trim(),
  );
}

describe('the trace of a real call', () => {
  it('has all of an answered call with digest, and none of what it hides', async () => {
    const found = await carry('407');
    const sent = whole.map(({ text }) => text).join('');
    // What is hidden was there.
    expect(sent).toContain(CLI);
    const proof = /response="([0-9a-f]{32,})"/.exec(sent)?.[1] ?? 'none was sent';
    expect(sent).toContain(proof);
    for (const text of [traceText(found), JSON.stringify(traceEntries(found))]) {
      expect(text).not.toContain(proof);
      expect(text).not.toContain('60716');
      expect(text).not.toContain('30123407');
      expect(text).toContain('+4930•••407');
    }
    expect(found.messages).toHaveLength(whole.length);
    expect(rungs(traceLadder(found)).slice(1, 4)).toEqual([
      'INVITE (SDP)',
      expect.stringMatching(/^407 /),
      'ACK',
    ]);
    expect(rungs(traceLadder(found))).not.toContain('not a SIP message');
    expect(rungs(traceLadder(found))).toContain('BYE');
  });

  it('shows a flash call without the digits that it proves', async () => {
    const flash = { ringHoldMs: 100, maxRingMs: 2000, onAnswer: 'hangup' } as const;
    const found = await carry('000', { flash, prompt: null });
    expect(whole.map(({ text }) => text).join('')).toContain(CLI);
    expect(traceText(found).replaceAll(BY_CHANCE, '')).not.toMatch(/0716|496/);
    expect(traceText(found)).toContain('P-Asserted-Identity: <sip:+4416•••@127.0.0.1>');
  });
});
