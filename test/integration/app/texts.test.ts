import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cdr } from '../../../src/cdr/cdr.ts';
import type { LabText } from '../../../src/lab/carrier.ts';
import { parseCSeq } from '../../../src/sip/header.ts';
import { header, parseMessage } from '../../../src/sip/message.ts';
import { LAB_TRUNK, type Site, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';

const SMS = { timeoutMs: 1000 };
const PRICE = { amount: '0.045', currency: 'EUR' };

let site: Site;
let numbers = 0;

/** A number of its own for each text; the last three digits say what it gets. */
function number(suffix: string): string {
  numbers += 1;
  return `+4420${30_000 + numbers}${suffix}`;
}

const textTo = (to: string): Promise<LabText> =>
  eventually(() => {
    const text = site.carrier.texts.find((one) => one.number === to);
    if (text === undefined) throw new Error(`no text has come to ${to}`);
    return text;
  });

/** MESSAGEs that left to a number, retransmissions aside, and by which trunk's sender. */
function messagesTo(to: string): readonly string[] {
  const sent = site.wire.flatMap(({ direction, text }) => {
    const message = parseMessage(Buffer.from(text));
    if (direction !== 'out' || message.kind !== 'request' || message.method !== 'MESSAGE') return [];
    return message.uri.includes(to)
      ? [`${header(message, 'Call-ID')} ${parseCSeq(header(message, 'CSeq'))?.number}`]
      : [];
  });
  return [...new Set(sent)];
}

beforeAll(async () => {
  site = await startSite({
    settings: { destinations: { countries: 'all' } },
    trunks: (port) => [
      { ...LAB_TRUNK, port, sms: { ...SMS, price: PRICE }, allowedClis: ['Shop'], priority: 1 },
      { ...LAB_TRUNK, id: 'second', port, sms: { ...SMS, only: true }, cli: 'Second', priority: 2 },
      { ...LAB_TRUNK, id: 'calls', port, priority: 3 },
    ],
  });
});

afterAll(async () => {
  const faults = site.faults();
  await site.close();
  expect(faults).toEqual([]);
});

describe.concurrent('a code as a text message', () => {
  it('comes to the phone, is sent, and proves the number', async () => {
    const to = number('200');
    const { id, callId } = await site.client.start({ to, channel: 'sms', code: '493817' });
    expect(await textTo(to)).toMatchObject({ from: '+442079460999', text: '493817 is your code.' });
    const call = await site.client.ended(callId);
    expect(call).toMatchObject({ disposition: 'sent', blame: 'none', prompt: null });
    expect(call.attempts).toMatchObject([
      { trunkId: 'lab', channel: 'sms', sipStatus: 200, billable: false },
    ]);
    expect((await site.client.check(id, '111111')).body).toMatchObject({ approved: false });
    expect((await site.client.check(id, '493817')).body).toMatchObject({ approved: true });
    expect(await site.client.verification(id)).toMatchObject({ channel: 'sms', approvedBy: 'code' });
    expect(site.carrier.calls.some((one) => one.number === to)).toBe(false);
  });

  it("is the client's own text from its own sender, in any alphabet", async () => {
    const to = number('202');
    const template = 'Магазин 🛒: {code}';
    const { callId } = await site.client.start({ to, channel: 'sms', code: '4938', template, from: 'Shop' });
    expect(await textTo(to)).toMatchObject({ from: 'Shop', text: 'Магазин 🛒: 4938' });
    expect(await site.client.ended(callId)).toMatchObject({
      disposition: 'sent',
      attempts: [{ cli: 'Shop', sipStatus: 202 }],
    });
  });

  it('is in the language that is asked for', async () => {
    const to = number('200');
    await site.client.start({ to, channel: 'sms', code: '4938', locale: 'de-DE' });
    expect((await textTo(to)).text).toBe('4938 ist Ihr Code.');
  });

  it('answers a challenge, with one more MESSAGE', async () => {
    const to = number('407');
    const { callId } = await site.client.start({ to, channel: 'sms' });
    expect(await site.client.ended(callId)).toMatchObject({ disposition: 'sent' });
    expect(messagesTo(to)).toHaveLength(2);
  });

  it.each([
    ['404', 'invalid_number', 1],
    ['480', 'unreachable', 1],
    ['603', 'declined', 1],
    ['693', 'blocked', 1],
    ['500', 'trunk_failure', 2],
  ])('that gets %s ends as %s, and the verification with it', async (suffix, disposition, attempts) => {
    const to = number(suffix);
    const { id, callId } = await site.client.start({ to, channel: 'sms' });
    const call = await site.client.ended(callId);
    expect(call.disposition).toBe(disposition);
    expect(call.attempts).toHaveLength(attempts);
    expect(messagesTo(to)).toHaveLength(attempts);
    expect((await site.client.verification(id)).status).toBe('failed');
  });

  it('to which nothing is said goes by the next trunk, and may have come', async () => {
    const { id, callId } = await site.client.start({ to: number('000'), channel: 'sms' });
    const call = await site.client.ended(callId);
    expect(call.attempts).toMatchObject([
      { trunkId: 'lab', disposition: 'trunk_timeout', sipStatus: 408 },
      { trunkId: 'second', cli: 'Second', disposition: 'trunk_timeout' },
    ]);
    expect((await site.client.verification(id)).status).toBe('pending');
  });

  it('is recorded with what it costs, by the message that networks count', async () => {
    const to = number('200');
    // 72 characters that are in UCS-2 alone.
    const template = `{code} ${'ж'.repeat(67)}`;
    const { callId } = await site.client.start({ to, channel: 'sms', code: '4938', template });
    await site.client.ended(callId);
    const { text } = await site.client.ask('GET', '/v1/cdrs');
    const records = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Cdr);
    expect(records.filter((record) => record.callId === callId)).toMatchObject([
      {
        channel: 'sms',
        trunkId: 'lab',
        disposition: 'sent',
        segments: 2,
        rate: PRICE.amount,
        priceMicros: 90_000,
        currency: PRICE.currency,
      },
    ]);
    expect(text).not.toContain('жж');
    expect((await site.client.ask('GET', '/v1/cdrs/verify')).body).toMatchObject({ valid: true });
  });

  it('is refused by a trunk that carries none', async () => {
    const answer = await site.client.ask('POST', '/v1/verifications', {
      to: number('200'),
      channel: 'sms',
      carrierId: 'calls',
    });
    expect(answer).toMatchObject({ status: 422, body: { error: { code: 'sms_unavailable' } } });
  });

  it('is traced without its text', async () => {
    const to = number('200');
    const { callId } = await site.client.start({ to, channel: 'sms', code: '7382' });
    await site.client.ended(callId);
    const trace = await site.client.ask('GET', `/v1/calls/${callId}/sip`);
    expect(trace.status).toBe(200);
    const shown = JSON.stringify(trace.body);
    expect(shown).toContain('MESSAGE sip:');
    expect(shown).toContain('[redacted]');
    expect(shown).not.toMatch(/7382|your code/);
    expect(site.log()).not.toContain('7382 is');
  });
});

describe('a call', () => {
  it('goes by no trunk for texts alone', async () => {
    const to = number('500');
    const { callId } = await site.client.start({ to, code: '4938' });
    const call = await site.client.ended(callId);
    expect(call.attempts.map(({ trunkId }) => trunkId)).toEqual(['lab', 'calls']);
  });
});
