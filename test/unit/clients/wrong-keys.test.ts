import { describe, expect, it } from 'vitest';
import { WrongKeys } from '../../../src/clients/wrong-keys.ts';

function rig(max = 2) {
  let now = 5000;
  const wrong = new WrongKeys({ max, windowSeconds: 60 }, () => now);
  return {
    note: (address: string) => wrong.note(address),
    beyond: (address: string) => wrong.note(address).beyond,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

describe('WrongKeys', () => {
  it('counts each address by itself, in windows from its first wrong key on', () => {
    const { note, beyond, pass } = rig();
    expect([beyond('192.0.2.1'), beyond('192.0.2.1'), beyond('192.0.2.2')]).toEqual([0, 0, 0]);
    pass(20_000);
    expect(note('192.0.2.1')).toEqual({ beyond: 1, retryAfterMs: 40_000 });
    pass(39_999);
    expect(note('192.0.2.1')).toEqual({ beyond: 2, retryAfterMs: 1 });
    pass(1);
    expect(note('192.0.2.1')).toEqual({ beyond: 0, retryAfterMs: 60_000 });
  });

  it.each([
    ['2001:db8:1:2::1', '2001:DB8:1:2:ffff:ffff:ffff:ffff', true],
    ['2001:db8:1:2::1', '2001:0db8:0001:0002::', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['2001:db8::1', '2001:db8:0:0:1::', true],
    ['::1', '0:0:0:0::2', true],
    ['fe80::1%eth0', 'fe80::2', true],
    ['::ffff:192.0.2.1', '192.0.2.1', true],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
    ['192.0.2.1', '192.0.2.2', false],
  ])('%s and %s are one: %s', (one, other, same) => {
    const { beyond } = rig(1);
    beyond(one);
    expect(beyond(other)).toBe(same ? 1 : 0);
  });

  it('remembers so many addresses and no more', () => {
    const { beyond } = rig(1);
    const addresses = Array.from({ length: 10_001 }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    for (const address of addresses) expect(beyond(address)).toBe(0);
    expect(beyond(addresses[1] ?? '')).toBe(1);
    expect(beyond(addresses[0] ?? '')).toBe(0);
  });
});
