import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RtpPorts } from '../../../src/media/rtp-ports.ts';

const random = () => 0.3;

describe('RtpPorts', () => {
  it('gives each even port of the range once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1024, max: 60_000 }), fc.integer({ min: 2, max: 60 }), (min, width) => {
        const ports = new RtpPorts(min, min + width, 3000, random);
        const taken: number[] = [];
        for (let port = ports.take(0); port !== undefined; port = ports.take(0)) taken.push(port);
        expect(new Set(taken).size).toBe(taken.length);
        expect(taken.every((port) => port % 2 === 0 && port >= min && port + 1 <= min + width)).toBe(true);
        expect(taken.length).toBe(Math.floor((min + width + 1) / 2) - Math.ceil(min / 2));
      }),
    );
  });

  it('begins somewhere else each time', () => {
    const first = [0.01, 0.3, 0.6, 0.99].map((value) => new RtpPorts(10_000, 20_000, 0, () => value).take(0));
    expect(new Set(first).size).toBeGreaterThan(2);
  });

  it('lets a port rest before it is used again', () => {
    const ports = new RtpPorts(4000, 4003, 3000, random);
    const [first = 0, second = 0] = [ports.take(0), ports.take(0)];
    ports.release(first, 1000);
    ports.release(second, 2000);
    expect(ports.take(3999)).toBeUndefined();
    expect(ports.take(4000)).toBe(first);
    expect(ports.take(4000)).toBeUndefined();
    expect(ports.available(5000)).toBe(1);
    expect(ports.take(5000)).toBe(second);
  });

  it('takes a port back once', () => {
    const ports = new RtpPorts(4000, 4003, 0, random);
    const port = ports.take(0) ?? 0;
    ports.release(port, 0);
    ports.release(port, 0);
    ports.release(9999, 0);
    expect(ports.available(1)).toBe(2);
  });

  it.each([
    [4001, 4002],
    [4000, 4000],
    [5000, 4000],
    [-2, 10],
    [0, 10],
    [65_534, 65_536],
    [1.5, 9],
  ])('refuses the range %d to %d', (min, max) => {
    expect(() => new RtpPorts(min, max, 0, random)).toThrow(RangeError);
  });
});
