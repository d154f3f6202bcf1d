import { describe, expect, it } from 'vitest';
import { HostLanes } from '../../../src/webhooks/host-lanes.ts';
import { eventually } from '../../support/eventually.ts';

/** Work that ends when the test says so. */
function lanesOf(limits: { most: number; mostOfHost: number; longestLine: number }) {
  const running = new Map<string, (came: 'taken' | 'not_taken' | undefined) => void>();
  const lanes = new HostLanes({
    ...limits,
    work: (id) => new Promise((resolve) => void running.set(id, resolve)),
  });
  const end = (id: string, came: 'taken' | 'not_taken' | 'unknown' = 'taken'): void => {
    running.get(id)?.(came === 'unknown' ? undefined : came);
    running.delete(id);
  };
  const expectRunning = (...ids: string[]): Promise<void> =>
    eventually(() => expect([...running.keys()].toSorted()).toEqual(ids.toSorted()));
  return { lanes, end, expectRunning };
}

describe('lanes of hosts', () => {
  it('give each host its own few places', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 5, mostOfHost: 2, longestLine: 9 });
    for (const id of ['a1', 'a2', 'a3', 'a4']) expect(lanes.add('a', id)).toBe(true);
    await expectRunning('a1', 'a2');
    for (const id of ['b1', 'b2', 'b3']) lanes.add('b', id);
    await expectRunning('a1', 'a2', 'b1', 'b2');
    end('a2');
    await expectRunning('a1', 'a3', 'b1', 'b2');
  });

  it('let hosts take turns where there is no place for all', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 1, mostOfHost: 1, longestLine: 9 });
    for (const id of ['a1', 'a2', 'a3']) lanes.add('a', id);
    lanes.add('b', 'b1');
    await expectRunning('a1');
    end('a1');
    await expectRunning('a2');
    end('a2');
    await expectRunning('b1');
    end('b1');
    await expectRunning('a3');
  });

  it('leave one place to a host that fails, until it takes something', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 9, mostOfHost: 3, longestLine: 99 });
    for (let i = 1; i <= 9; i += 1) lanes.add('a', `a${i}`);
    await expectRunning('a1', 'a2', 'a3');
    for (const id of ['a1', 'a2', 'a3']) end(id, 'not_taken');
    await expectRunning('a4', 'a5');
    end('a4', 'not_taken');
    end('a5', 'unknown');
    await expectRunning('a6');
    end('a6');
    await expectRunning('a7', 'a8', 'a9');
  });

  it('leave half of all places to hosts that do not fail, however many do', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 4, mostOfHost: 1, longestLine: 9 });
    const failing = ['a', 'b', 'c', 'd'];
    for (const host of failing) lanes.add(host, `${host}1`);
    await expectRunning('a1', 'b1', 'c1', 'd1');
    for (const host of failing) lanes.add(host, `${host}2`);
    for (const host of failing) end(`${host}1`, 'not_taken');
    await expectRunning('a2', 'b2');
    lanes.add('e', 'e1');
    lanes.add('f', 'f1');
    await expectRunning('a2', 'b2', 'e1', 'f1');
    end('a2', 'not_taken');
    await expectRunning('b2', 'c2', 'e1', 'f1');
    end('b2');
    end('c2', 'unknown');
    await expectRunning('d2', 'e1', 'f1');
    // One that takes something is as good as any other.
    lanes.add('b', 'b3');
    await expectRunning('b3', 'd2', 'e1', 'f1');
  });

  it('leave room for others, however many hosts one client names', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 8, mostOfHost: 2, longestLine: 9 });
    const named = Array.from({ length: 20 }, (_, index) => `m${index}`);
    for (const id of named) lanes.add(`${id}.dead`, id, 'mallory');
    await expectRunning(...named.slice(0, 6));
    for (const id of ['s1', 's2', 's3']) lanes.add(`${id}.shop`, id, 'shop');
    // The last one is for somebody who has none.
    await expectRunning(...named.slice(0, 6), 's1');
    lanes.add('bank.example', 'b1', 'bank');
    await expectRunning(...named.slice(0, 6), 's1', 'b1');
    lanes.add('inn.example', 'i1', 'inn');
    end('m0');
    await expectRunning(...named.slice(1, 6), 's1', 'b1', 'i1');
    end('m1');
    await expectRunning(...named.slice(2, 6), 's1', 'b1', 'i1');
    end('m2');
    await expectRunning(...named.slice(3, 7), 's1', 'b1', 'i1');
  });

  it('let clients take turns, and the hosts of each among themselves', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 1, mostOfHost: 1, longestLine: 9 });
    for (let i = 0; i < 6; i += 1) lanes.add(`m${i}.dead`, `m${i}`, 'mallory');
    for (const id of ['s1', 's2']) lanes.add('shop.example', id, 'shop');
    lanes.add('other.example', 's3', 'shop');
    const order = ['m0', 'm1', 's1', 'm2', 's3', 'm3', 's2', 'm4', 'm5'];
    for (const id of order) {
      await expectRunning(id);
      end(id);
    }
    await expectRunning();
  });

  it('give nobody all the places that there are for hosts that fail', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 8, mostOfHost: 1, longestLine: 9 });
    const named = ['p', 'q', 'r', 't'];
    for (const host of named) lanes.add(host, `${host}1`, 'mallory');
    lanes.add('shop.example', 's1', 'shop');
    await expectRunning('p1', 'q1', 'r1', 't1', 's1');
    for (const host of named) end(`${host}1`, 'not_taken');
    end('s1', 'not_taken');
    await expectRunning();
    for (const host of named) lanes.add(host, `${host}2`, 'mallory');
    await expectRunning('p2', 'q2', 'r2');
    lanes.add('shop.example', 's2', 'shop');
    await expectRunning('p2', 'q2', 'r2', 's2');
  });

  it('have a line for each client of a host, and one number of places for all of them', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 9, mostOfHost: 2, longestLine: 2 });
    const taken = ['m1', 'm2', 'm3', 'm4', 'm5'].map((id) => lanes.add('hooks.example', id, 'mallory'));
    expect(taken).toEqual([true, true, true, true, false]);
    expect(lanes.add('hooks.example', 's1', 'shop')).toBe(true);
    await expectRunning('m1', 'm2');
    end('m2');
    await expectRunning('m1', 'm3');
    end('m1');
    await expectRunning('m3', 's1');
    expect(lanes.close()).toEqual(['m4']);
  });

  it('keep the turns of hosts that begin to fail, and of those that are well again', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 4, mostOfHost: 1, longestLine: 9 });
    for (const id of ['x', 'y']) lanes.add(id, id);
    for (const id of ['f1', 'f2', 'f3', 'f4']) lanes.add('flaky.example', id);
    lanes.add('w', 'w');
    await expectRunning('x', 'y', 'f1', 'w');
    for (const id of ['v1', 'v2']) lanes.add('v', id);
    end('f1', 'not_taken');
    await expectRunning('x', 'y', 'f2', 'w');
    end('f2');
    await expectRunning('x', 'y', 'v1', 'w');
    end('v1');
    await expectRunning('x', 'y', 'f3', 'w');
  });

  it('remember which hosts failed last, however many failed before', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 4, mostOfHost: 1, longestLine: 9 });
    const dead = Array.from({ length: 1200 }, (_, index) => `dead${index}`);
    for (const host of [...dead, 'a', 'b', 'c', 'd']) {
      lanes.add(host, host);
      end(host, 'not_taken');
      await lanes.settled();
    }
    for (const host of ['a', 'b', 'c', 'd']) lanes.add(host, `${host}2`);
    await expectRunning('a2', 'b2');
  });

  it('take their next step as quickly where thousands of hosts fail', async () => {
    const lanes = new HostLanes({
      most: 100,
      mostOfHost: 1,
      longestLine: 9,
      work: async (id) => (id.startsWith('first') ? 'not_taken' : new Promise(() => undefined)),
    });
    // Looked at one after the other with each step, they would take minutes.
    const from = process.cpuUsage();
    for (let host = 0; host < 200; host += 1) {
      for (let client = 0; client < 200; client += 1) {
        for (const id of ['first', 'second']) lanes.add(`${host}.${client}`, id, `${client}`);
      }
      await new Promise(setImmediate);
    }
    const waiting = lanes.close();
    expect(waiting.filter((id) => id === 'first')).toEqual([]);
    expect(waiting).toHaveLength(40_000 - 50);
    const { user, system } = process.cpuUsage(from);
    expect((user + system) / 1e6, 'seconds of the processor').toBeLessThan(10);
  });

  it('hold a bounded number for one client, and some of each of its hosts', async () => {
    const { lanes } = lanesOf({ most: 1, mostOfHost: 1, longestLine: 200 });
    lanes.add('busy.example', 'busy');
    const added = (host: string, count: number): number =>
      Array.from({ length: count }, (_, index) => lanes.add(host, `${host} ${index}`, 'mallory')).filter(
        Boolean,
      ).length;
    for (let host = 0; host < 10; host += 1) expect(added(`${host}.dead`, 300)).toBe(200);
    expect(added('0.dead', 1)).toBe(0);
    for (let host = 10; host < 8010; host += 1) expect(added(`${host}.dead`, 2)).toBe(1);
    expect(added('more.dead', 1)).toBe(0);
    expect(lanes.add('0.dead', 's1', 'shop')).toBe(true);
    expect(lanes.close()).toHaveLength(10_001);
  });

  it('have lines of a bounded length, and say what had not begun', async () => {
    const { lanes, end, expectRunning } = lanesOf({ most: 1, mostOfHost: 1, longestLine: 2 });
    expect(['a1', 'a2', 'a3', 'a4'].map((id) => lanes.add('a', id))).toEqual([true, true, true, false]);
    await expectRunning('a1');
    expect(lanes.close()).toEqual(['a2', 'a3']);
    expect(lanes.add('b', 'b1')).toBe(false);
    const settled = lanes.settled();
    end('a1');
    await settled;
    await expectRunning();
  });
});
