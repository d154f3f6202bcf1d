import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Attempt, Blame, Disposition } from '../../src/call/call.ts';
import type { Behaviour, Provisional } from '../../src/lab/behaviour.ts';
import { Secret } from '../../src/secret.ts';
import { headerList } from '../../src/sip/message.ts';
import type { Trunk } from '../../src/trunk/definition.ts';
import { freePorts } from '../support/free-ports.ts';
import { type Invites, type Placed, RoutedCalls } from '../support/routed-calls.ts';
import type { EngineUnderTest } from './engine-contract.ts';
import { isSettled, type Onward, phraseOf, type Row, says, TABLE, titleOf } from './results-table.ts';

/** INVITEs at each of the three carriers. */
const INVITES: Readonly<Record<Onward, readonly [number, number, number]>> = {
  nowhere: [1, 0, 0],
  once: [1, 1, 0],
  everywhere: [1, 1, 1],
};

const RING: Provisional = { afterMs: 10, status: 180 };
const FORWARDED: Provisional = { afterMs: 5, status: 181 };
const EARLY_MEDIA: Provisional = { afterMs: 5, status: 183, sdp: true };

const ALL_ROWS = Object.values(TABLE).flat();
/** Every status, and whatever is something else after a 180. */
const RINGING_ROWS = ALL_ROWS.filter(
  (row, index) =>
    row.afterRinging !== undefined || ALL_ROWS.findIndex(({ status }) => status === row.status) === index,
);

/** What every engine makes of the table of results; each adapter has one visible file that runs this. */
export function resultsContract(start: () => Promise<EngineUnderTest>): void {
  let under: EngineUnderTest;
  let calls: RoutedCalls;
  const waiting: (() => void)[] = [];
  const rung: Promise<Placed>[] = [];

  /** A call that is placed with all the others, as soon as there are carriers; the answer waits for its end. */
  const placing = (
    behaviours: readonly Behaviour[],
    ...change: readonly Partial<Trunk>[]
  ): (() => Promise<Placed>) => {
    const placed = new Promise<Placed>((resolve, reject) => {
      waiting.push(() => void calls.way(behaviours, change).call().then(resolve, reject));
    });
    placed.catch(() => undefined);
    if (behaviours.some(({ provisionals }) => provisionals.includes(RING))) rung.push(placed);
    return () => placed;
  };

  beforeAll(async () => {
    under = await start();
    calls = await RoutedCalls.open(under.engine);
    for (const place of waiting) place();
  });
  afterAll(async () => {
    await calls.close();
    await under.close();
    expect(calls.faults).toEqual([]);
  });

  // These take longest, and begin first.
  describe('silence', () => {
    const silent: Behaviour = { what: 'silent', silent: true, provisionals: [], final: 'never' };
    const until = (...provisionals: readonly Provisional[]): Behaviour => ({
      what: 'says no more',
      provisionals,
      final: 'never',
    });
    const late: Behaviour = { ...until(), what: 'answers as it is canceled', crossesCancel: true };
    const soon = { setupTimeoutMs: 1500 };
    const short = { ringTimeoutMs: 300 };
    const goOn = { retry: { '408': 'next_trunk', '487': 'next_trunk' } } as const;
    const cases = [
      ['from the first', [silent], soon, 'everywhere', 'trunk_timeout', 'trunk'],
      ['after 100', [until()], soon, 'everywhere', 'trunk_timeout', 'trunk'],
      ['after 100, and an answer that crosses our CANCEL', [late], soon, 'nowhere', 'canceled', 'none'],
      [
        'from the first, with an override',
        [silent],
        { ...soon, retry: { '408': 'never' } },
        'nowhere',
        'trunk_timeout',
        'trunk',
      ],
      ['after 180', [until(RING)], { ...short, ...goOn }, 'nowhere', 'no_answer', 'callee'],
      ['after 181', [until(FORWARDED)], { ...short, ...goOn }, 'nowhere', 'no_answer', 'callee'],
      ['after early media', [until(EARLY_MEDIA)], { ...short, ...goOn }, 'nowhere', 'no_answer', 'callee'],
      [
        'after early media and 180',
        [until(EARLY_MEDIA, RING)],
        { ...short, ...goOn },
        'nowhere',
        'no_answer',
        'callee',
      ],
    ] as const;
    it.each(
      cases.map(
        ([title, behaviours, change, ...result]) => [title, placing(behaviours, change), ...result] as const,
      ),
    )('%s', async (_, placed, onward, disposition, blame) => {
      const { attempts } = expectResult(await placed(), INVITES[onward], disposition, blame);
      // 408 stands for silence, and for nothing that rang.
      const status = disposition === 'trunk_timeout' ? 408 : null;
      expect(attempts.map(({ sipStatus }) => sipStatus)).toEqual(attempts.map(() => status));
    });
  });

  describe.each(Object.entries(TABLE))('%s', (_, rows) => {
    it.each(
      rows.map((row) => [titleOf(row), row.disposition, row.onward, row, placing([says(row)])] as const),
    )('%s is %s, and goes on %s', async (_title, _disposition, onward, row, placed) => {
      expectRow(await placed(), row, onward);
    });
  });

  describe('after a 180, with a trunk that wants to go on after everything', () => {
    const cases = RINGING_ROWS.map((row) => {
      const change = { retry: { [row.status]: 'next_trunk' }, retryRejected: true } as const;
      return [titleOf(row), row, placing([says(row, [RING])], change)] as const;
    });
    it.each(cases)('%s rings no phone again', async (_, row, placed) => {
      const { afterRinging } = row;
      const result =
        afterRinging === undefined ? {} : { disposition: afterRinging, blame: 'callee' as const };
      const { attempts } = expectRow(await placed(), { ...row, ...result }, 'nowhere');
      expect(attempts[0]?.ringingAt).not.toBeNull();
    });
  });

  describe('with an override of the trunk that says the opposite', () => {
    const cases = ALL_ROWS.filter(({ q850 }) => q850 === undefined).map((row) => {
      const instead = row.onward === 'nowhere' ? ('next_trunk' as const) : ('never' as const);
      return [
        titleOf(row),
        instead,
        row,
        placing([says(row)], { retry: { [row.status]: instead } }),
      ] as const;
    });
    it.each(cases)('%s: %s', async (_, instead, row, placed) => {
      const onward = instead === 'next_trunk' && !isSettled(row) ? 'everywhere' : 'nowhere';
      expectRow(await placed(), row, onward);
    });

    const allowed = placing([says({ status: 403 })], { retryRejected: true });
    it('403 where it is allowed by retryRejected', async () => {
      expectResult(await allowed(), INVITES.everywhere, 'rejected', 'trunk');
    });

    const forbidden = placing([says({ status: 403 })], { retryRejected: true, retry: { '403': 'never' } });
    it('403 where an override forbids what retryRejected allows', async () => {
      expectResult(await forbidden(), INVITES.nowhere, 'rejected', 'trunk');
    });
  });

  describe('a block', () => {
    const redress = 'v=analytics1;url=https://redress.example;tel=+12025550100';
    const wanted = { retry: { '603': 'next_trunk', '607': 'next_trunk', '608': 'next_trunk' } } as const;
    const blocks = ALL_ROWS.filter(({ disposition }) => disposition === 'blocked');
    const cases = blocks.map((row) => [titleOf(row), row, placing([says(row)], wanted)] as const);
    it.each(cases)('%s is tried nowhere else, whatever is set', async (_, row, placed) => {
      const { timeline } = expectRow(await placed(), row, 'nowhere');
      const { detail } = timeline.find(({ type, attempt }) => type === 'ended' && attempt === 1) ?? {};
      expect(detail?.['reasonText']).toBe(row.text);
      if (row.text !== undefined) expect(detail?.['reasonText']).toBe(redress);
    });
  });

  describe('a provisional response before the final one', () => {
    const cases = [
      ['183, then 503', [EARLY_MEDIA], 503, 'everywhere', 'trunk_failure', 'trunk'],
      ['183, then 408', [EARLY_MEDIA], 408, 'everywhere', 'unreachable', 'unknown'],
      ['183, then 486', [EARLY_MEDIA], 486, 'nowhere', 'busy', 'callee'],
      ['183, then 480', [EARLY_MEDIA], 480, 'nowhere', 'unreachable', 'callee'],
      ['181, then 503', [FORWARDED], 503, 'everywhere', 'trunk_failure', 'trunk'],
      ['183, 180, then 503', [EARLY_MEDIA, RING], 503, 'nowhere', 'trunk_failure', 'trunk'],
      ['181, 180, then 503', [FORWARDED, RING], 503, 'nowhere', 'trunk_failure', 'trunk'],
      ['183, 180, then 480', [EARLY_MEDIA, RING], 480, 'nowhere', 'no_answer', 'callee'],
    ] as const;
    it.each(
      cases.map(
        ([title, provisionals, status, ...result]) =>
          [title, placing([says({ status }, provisionals)]), ...result] as const,
      ),
    )('%s', async (_, placed, onward, disposition, blame) => {
      expectResult(await placed(), INVITES[onward], disposition, blame);
    });
  });

  describe('a phone that rang', () => {
    const challenge = 'Digest realm="lab.example", nonce="1234", algorithm=MD5, qop="auth"';
    const cases = [
      ['401', { status: 401, headers: [['WWW-Authenticate', challenge]] }, 'trunk_auth', 'us'],
      ['407', { status: 407, headers: [['Proxy-Authenticate', challenge]] }, 'trunk_auth', 'us'],
      ['422', { status: 422, headers: [['Min-SE', '120']] }, 'rejected', 'unknown'],
    ] as const;
    it.each(
      cases.map(([title, final, ...result]) => [title, placing([says(final, [RING])]), ...result] as const),
    )('is not rung again for a %s that could be answered', async (_, placed, disposition, blame) => {
      expectResult(await placed(), INVITES.nowhere, disposition, blame);
    });

    const behindAnother = placing([says({ status: 503 }), says({ status: 503 }, [RING])]);
    it('is the last one, also where it was not the first', async () => {
      const { attempts } = expectResult(await behindAnother(), INVITES.once, 'trunk_failure', 'trunk');
      expect(attempts.map(({ ringingAt }) => ringingAt === null)).toEqual([true, false]);
    });
  });

  describe('another trunk', () => {
    const answers: Behaviour = { what: 'answers', provisionals: [RING], final: { afterMs: 20, status: 200 } };
    const answered = placing([says({ status: 503 }), answers]);
    it('carries the call that the first one did not', async () => {
      const { attempts } = expectResult(await answered(), INVITES.once, 'answered', 'none');
      expect(attempts).toMatchObject([{ sipStatus: 503 }, { answeredAt: expect.any(Number), codec: 'PCMU' }]);
    });

    it('is tried where nothing can be sent to the first one', async () => {
      const dead = { transport: 'tcp', port: await freePorts(1) } as const;
      const placed = await calls.way([says({ status: 486 })], [dead, {}]).call();
      expect(placed.call).toMatchObject({ disposition: 'busy', blame: 'callee' });
      expect(placed.invites.map(({ length }) => length)).toEqual([0, 1, 0]);
      expect(placed.call.attempts[0]).toMatchObject({
        sipStatus: null,
        disposition: 'trunk_failure',
        blame: 'trunk',
      });
    });
  });

  describe('other codecs after 488 and 606', () => {
    const onlyFirst = { codecs: ['PCMU'] } as const;
    const cases = [488, 606].flatMap(
      (status) =>
        [
          [status, 'PCMU alone', placing([says({ status })], onlyFirst, {}), [[0], [8, 0]]],
          [
            status,
            'both of them',
            placing([says({ status })]),
            [
              [0, 8],
              [8, 0],
            ],
          ],
        ] as const,
    );
    it.each(cases)('%i to %s', async (_, __, placed, offers) => {
      const seen = await placed();
      expectResult(seen, INVITES.once, 'media_rejected', 'trunk');
      expect(seen.invites.flat().map(codecsOf)).toEqual(offers);
    });
  });

  describe.each(['udp', 'tcp'] as const)('a trunk over %s that asks who we are', (transport) => {
    const asks = (status: 401 | 407): Behaviour => ({
      ...says({ status: 486 }),
      challenge: { status, algorithm: 'SHA-256' },
    });
    const wrong = { transport, password: new Secret('not-the-secret') };
    const cases = ([401, 407] as const).map(
      (status) => [status, placing([asks(status)], wrong, { transport })] as const,
    );
    it.each(cases)('twice (%i) is left for the next one', async (status, placed) => {
      const { call, invites } = await placed();
      expect(invites.map(({ length }) => length)).toEqual([2, 2, 0]);
      expect(new Set(invites[0]?.map(callIdOf)).size).toBe(1);
      expect(call.attempts).toMatchObject([
        { trunkId: 'alpha', sipStatus: status, disposition: 'trunk_auth', blame: 'us' },
        { trunkId: 'beta', sipStatus: 486, disposition: 'busy', blame: 'callee' },
      ]);
      expect(call).toMatchObject({ disposition: 'busy', blame: 'callee' });
    });
  });

  describe('Retry-After', () => {
    const later = (status: number, provisionals: readonly Provisional[] = []): Behaviour =>
      says({ status, headers: [['Retry-After', '120']] }, provisionals);
    const busy = says({ status: 486 });

    it.each([500, 502, 503, 504])(
      'of a %i lets the trunk rest, and the next call goes by another',
      async (status) => {
        const way = calls.way([later(status), busy]);
        const before = Date.now();
        const first = await way.call();
        expectSpread(first, [1, 1, 0]);
        const { condition, reasons } = way.states.of('alpha');
        expect(condition).toBe('resting');
        const until = reasons[0]?.until ?? 0;
        expect(until).toBeGreaterThanOrEqual(before + 120_000);
        expect(until).toBeLessThanOrEqual(Date.now() + 120_000);
        const second = await way.call();
        expectSpread(second, [0, 1, 0]);
        expect(second.call.attempts).toMatchObject([{ trunkId: 'beta', disposition: 'busy' }]);
      },
    );

    it('of a 503 after a 180 too', async () => {
      const way = calls.way([later(503, [RING]), busy]);
      expectSpread(await way.call(), [1, 0, 0]);
      expect(way.states.of('alpha').condition).toBe('resting');
      expectSpread(await way.call(), [0, 1, 0]);
    });

    it.each([404, 480, 486, 600, 603])('of a %i is about the callee, and no trunk rests', async (status) => {
      const way = calls.way([later(status)]);
      expectSpread(await way.call(), [1, 0, 0]);
      expect(way.states.of('alpha').condition).toBe('up');
    });
  });

  it('follows no redirection to a host that is not configured', async () => {
    const elsewhere = createSocket('udp4');
    const received: Buffer[] = [];
    elsewhere.on('message', (datagram) => received.push(datagram)).bind(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    const { port } = elsewhere.address();
    const headers = [['Contact', `<sip:elsewhere@127.0.0.1:${port}>`]] as const;
    await Promise.all(
      [300, 301, 302, 305, 380].map(async (status) => {
        const never = await calls.way([says({ status, headers })]).call();
        expectResult(never, INVITES.nowhere, 'redirected', 'trunk');
        const retry = { [status]: 'next_trunk' } as const;
        const onward = await calls
          .way([says({ status, headers }), says({ status: 486 })], [{ retry }])
          .call();
        expectResult(onward, INVITES.once, 'busy', 'callee', ['redirected', 'busy']);
      }),
    );
    elsewhere.close();
    await once(elsewhere, 'close');
    expect(received).toEqual([]);
  });

  it('has sent nothing more to a phone that rang, now that all calls are over', async () => {
    expect(rung.length).toBeGreaterThan(RINGING_ROWS.length);
    for (const { number, call, invites } of await Promise.all(rung)) {
      expect(calls.invitesTo(number), number).toEqual(invites);
      expect(call.attempts.slice(0, -1).map(({ ringingAt }) => ringingAt)).toEqual(
        call.attempts.slice(1).map(() => null),
      );
    }
  });
}

/** A call that every trunk answered with what the row says. */
function expectRow(placed: Placed, row: Row, onward: Onward): Placed['call'] {
  const { status, q850 = null, reason = phraseOf(status), disposition, blame } = row;
  const call = expectResult(placed, INVITES[onward], disposition, blame);
  const said = { sipStatus: status, sipReason: reason, q850, disposition, blame, answeredAt: null };
  expect(call.attempts).toMatchObject(call.attempts.map(() => said));
  return call;
}

/** @param each of the attempts, where it is not the same for all of them */
function expectResult(
  placed: Placed,
  invites: readonly number[],
  disposition: Disposition,
  blame: Blame,
  each?: readonly Disposition[],
): Placed['call'] {
  const { call } = placed;
  expectSpread(placed, invites);
  expect(call).toMatchObject({ state: 'ended', disposition, blame });
  if (each !== undefined) expect(call.attempts.map((attempt: Attempt) => attempt.disposition)).toEqual(each);
  return call;
}

/** INVITEs on the wire, and one attempt for each of them. */
function expectSpread({ call, invites }: Placed, expected: readonly number[]): void {
  expect(invites.map(({ length }) => length)).toEqual(expected);
  expect(call.attempts.map(({ trunkId }) => trunkId)).toEqual(
    ['alpha', 'beta', 'gamma'].filter((_, index) => (expected[index] ?? 0) > 0),
  );
}

function callIdOf(invite: Invites[number]): string {
  return headerList(invite, 'Call-ID').join();
}

/** Payload types of what is spoken (RFC 3551), in the order of the offer. */
function codecsOf({ body }: Invites[number]): readonly number[] {
  const formats = /^m=audio \d+ \S+ (.+?)\r?$/m.exec(body)?.[1] ?? '';
  return formats
    .split(' ')
    .map(Number)
    .filter((format) => format < 96);
}
