import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RedisClock } from '../../../src/redis/clock.ts';

/** A Redis whose clock can be set, at the far end of a way that takes time, and this process's monotonic clock. */
class World {
  /** Milliseconds since something; goes on only where it is told to. */
  monotonic = 5000;
  /** Time of Redis where the monotonic clock is 0. */
  offset = 1_700_000_000_000;
  /** Milliseconds to Redis and back, for one sample after the other; then none. */
  ways: [number, number][] = [];
  asked = 0;
  away = false;
  reconnected: () => void = () => expect.fail('nobody listens');
  readonly clock = new RedisClock({
    monotonic: () => this.monotonic,
    read: async () => {
      this.asked++;
      if (this.away) throw new Error('Connection is closed.');
      const [there, back] = this.ways.shift() ?? [0, 0];
      this.monotonic += there;
      const time = this.monotonic + this.offset;
      this.monotonic += back;
      return time;
    },
    onReconnect: (measure) => {
      this.reconnected = measure;
      return () => {
        this.reconnected = () => expect.fail('closed');
      };
    },
  });

  get truth(): number {
    return this.monotonic + this.offset;
  }
}

let world: World;
beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
});
afterEach(() => {
  world.clock.close();
  vi.useRealTimers();
});

describe('the clock of Redis', () => {
  it('takes the middle of the shortest way', async () => {
    world.ways = [
      [300, 0],
      [90, 10],
      [6, 4],
      [0, 200],
      [50, 50],
    ];
    await world.clock.start();
    expect(world.clock.now() - world.truth).toBe(1);
    world.monotonic += 12_345;
    expect(world.clock.now() - world.truth).toBe(1);
  });

  it('cares for no clock of the host', async () => {
    await world.clock.start();
    const before = world.clock.now();
    vi.setSystemTime(new Date('2001-01-01'));
    expect(world.clock.now()).toBe(before);
    vi.setSystemTime(new Date('2040-01-01'));
    world.monotonic += 10;
    expect(world.clock.now()).toBe(before + 10);
  });

  it('jumps forward where it is behind', async () => {
    await world.clock.start();
    world.offset += 3000;
    await world.clock.measure();
    expect(world.clock.now()).toBe(world.truth);
  });

  it('goes slowly, and never back, where it is ahead', async () => {
    await world.clock.start();
    let last = world.clock.now();
    world.offset -= 4000;
    await world.clock.measure();
    expect(world.clock.now()).toBe(last);
    for (let i = 0; i < 79; i++) {
      world.monotonic += 100;
      expect(world.clock.now() - last).toBe(50);
      last = world.clock.now();
    }
    expect(last - world.truth).toBe(50);
    world.monotonic += 100;
    expect(world.clock.now()).toBe(world.truth);
    world.monotonic += 100;
    expect(world.clock.now()).toBe(world.truth);
  });

  it('is ahead by no more than before where it is measured again meanwhile', async () => {
    await world.clock.start();
    world.offset -= 4000;
    await world.clock.measure();
    world.monotonic += 2000;
    world.offset -= 10;
    const before = world.clock.now();
    await world.clock.measure();
    expect(world.clock.now()).toBe(before);
    expect(before - world.truth).toBe(3010);
    world.monotonic += 6020;
    expect(world.clock.now()).toBe(world.truth);
  });

  it('believes no measurement that proves nothing', async () => {
    await world.clock.start();
    world.ways = Array.from({ length: 5 }, () => [0, 500]);
    await world.clock.measure();
    expect(world.clock.now()).toBe(world.truth);
  });

  it('is measured every 10 s, and after a reconnection', async () => {
    await world.clock.start();
    world.offset += 700;
    await vi.advanceTimersByTimeAsync(9990);
    expect(world.truth - world.clock.now()).toBe(700);
    await vi.advanceTimersByTimeAsync(10);
    expect(world.clock.now()).toBe(world.truth);
    world.offset += 300;
    world.reconnected();
    await vi.advanceTimersByTimeAsync(0);
    expect(world.clock.now()).toBe(world.truth);
  });

  it('goes on without Redis, and does not start without it', async () => {
    await world.clock.start();
    world.away = true;
    await vi.advanceTimersByTimeAsync(30_000);
    world.monotonic += 30_000;
    expect(world.clock.now()).toBe(world.truth);
    const other = new World();
    other.away = true;
    await expect(other.clock.start()).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(() => other.clock.now()).toThrow(/was not started/);
    other.away = false;
    await other.clock.start();
    expect(other.clock.now()).toBe(other.truth);
    other.clock.close();
  });

  it('asks nothing any more once it is closed', async () => {
    await world.clock.start();
    world.clock.close();
    const { asked } = world;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.asked).toBe(asked);
  });
});
