import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyPress } from '../../../src/media/telephone-event.ts';
import { encodeKeyPress, TelephoneEventDecoder } from '../../../src/media/telephone-event.ts';

const KEYS = '0123456789*#ABCD'.split('');

type Sent = readonly { readonly timestamp: number; readonly payload: Uint8Array }[];

function hear(packets: Sent, decoder = new TelephoneEventDecoder()): KeyPress[] {
  return packets.flatMap(({ timestamp, payload }) => decoder.push(timestamp, payload));
}

function press(digit: string, timestamp = 1000, durationMs = 100) {
  return encodeKeyPress(digit, { timestamp, durationMs });
}

describe('a press of a key', () => {
  it.each(KEYS)('of %s is heard once, though its end comes three times', (digit) => {
    const packets = press(digit);
    expect(packets.filter(({ payload }) => ((payload[1] ?? 0) & 0x80) !== 0)).toHaveLength(3);
    expect(hear(packets)).toEqual([{ digit, durationMs: 100 }]);
  });

  it('has one timestamp, a marker on its first packet only, and one packet every 20 ms', () => {
    const packets = press('5');
    expect(new Set(packets.map(({ timestamp }) => timestamp))).toEqual(new Set([1000]));
    expect(packets.map(({ marker }) => marker)).toEqual([true, false, false, false, false, false, false]);
    expect(packets.map(({ atMs }) => atMs)).toEqual([20, 40, 60, 80, 100, 120, 140]);
    expect([...(packets[0]?.payload ?? [])]).toEqual([5, 10, 0, 160]);
    expect([...(packets[4]?.payload ?? [])]).toEqual([5, 0x8a, 0x03, 0x20]);
  });

  it.each(['', 'E', '12', ' '])('is refused for %j', (digit) => {
    expect(() => press(digit)).toThrow(RangeError);
  });

  it.each([0, -1, Number.NaN, 60_001])('is refused for a duration of %d ms', (durationMs) => {
    expect(() => press('1', 0, durationMs)).toThrow(RangeError);
  });

  it('survives the loss of any packets but all', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...KEYS),
        fc.subarray([0, 1, 2, 3, 4, 5, 6], { minLength: 1 }),
        (digit, kept) => {
          const decoder = new TelephoneEventDecoder();
          const packets = press(digit).filter((_, index) => kept.includes(index));
          const heard = [...hear(packets, decoder), ...decoder.flush()];
          expect(heard.map((one) => one.digit)).toEqual([digit]);
        },
      ),
    );
  });

  it('is heard once when its packets are doubled and swapped', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6], { minLength: 1 }),
        (order) => {
          const decoder = new TelephoneEventDecoder();
          const all = press('7');
          const packets = order.flatMap((index) => all[index] ?? []);
          expect([...hear(packets, decoder), ...decoder.flush()].map(({ digit }) => digit)).toEqual(['7']);
        },
      ),
    );
  });

  it.each([1000, 0xffff_f000])('of many seconds from %i on is one press in several segments', (timestamp) => {
    const packets = press('#', timestamp, 20_000);
    expect(new Set(packets.map((packet) => packet.timestamp)).size).toBe(3);
    expect(hear(packets)).toEqual([{ digit: '#', durationMs: 20_000 }]);
  });
});

describe('presses one after the other', () => {
  it('are heard in order, the same key twice too, across the wrap of the timestamp', () => {
    const keys = ['1', '1', '2', '3', '*'];
    const packets = keys.flatMap((digit, index) => press(digit, (0xffff_f800 + index * 1600) >>> 0));
    expect(hear(packets).map(({ digit }) => digit)).toEqual(keys);
  });

  it('end the one before, whose end packets were lost', () => {
    const lost = press('1', 1000).slice(0, 3);
    expect(hear([...lost, ...press('2', 4000)])).toEqual([
      { digit: '1', durationMs: 60 },
      { digit: '2', durationMs: 100 },
    ]);
  });

  it('are not repeated by late packets of the one before', () => {
    const first = press('1', 1000);
    const second = press('2', 3000);
    expect(hear([...first, ...second, ...first.slice(2)]).map(({ digit }) => digit)).toEqual(['1', '2']);
  });

  it('go on when the sender begins at other timestamps', () => {
    const decoder = new TelephoneEventDecoder();
    hear(press('1', 3_000_000), decoder);
    expect(hear(press('2', 1000), decoder).map(({ digit }) => digit)).toEqual(['2']);
  });
});

describe('what is no press', () => {
  it.each([
    ['nothing', []],
    ['three bytes', [1, 0, 0]],
    ['flash', [16, 0x80, 0, 160]],
    ['a fax tone', [36, 0x80, 0, 160]],
  ])('is ignored: %s', (_, bytes) => {
    const decoder = new TelephoneEventDecoder();
    expect(decoder.push(1, Uint8Array.from(bytes))).toEqual([]);
    expect(decoder.pressed).toBe(false);
  });

  it('never throws, whatever comes', () => {
    const junk = fc.array(fc.tuple(fc.nat(0xffff_ffff), fc.uint8Array({ maxLength: 6 })), { maxLength: 50 });
    fc.assert(
      fc.property(junk, (packets) => {
        const decoder = new TelephoneEventDecoder();
        const heard = packets.flatMap(([timestamp, payload]) => decoder.push(timestamp, payload));
        for (const { digit, durationMs } of [...heard, ...decoder.flush()]) {
          expect(KEYS).toContain(digit);
          expect(durationMs).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});
