import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeWithPeer, mortal } from '../../support/peers.ts';
import { RedisServer } from '../../support/redis-server.ts';

const LEASE_MS = 2000;
const PATIENCE = { timeoutMs: 30_000 };

interface Line {
  readonly type: 'started' | 'dead' | 'lost' | 'act';
  readonly token: string;
  readonly trusted?: boolean;
}

class NodeProcess {
  readonly lines: Line[] = [];
  readonly #child: ChildProcess;

  constructor(port: number, name: string, [leaseMs, beatMs]: readonly [number, number]) {
    const script = fileURLToPath(new URL('node-process.ts', import.meta.url));
    const args = [script, String(port), name, String(leaseMs), String(beatMs)];
    const [program = '', ...rest] = mortal([process.execPath, '--import', 'tsx', ...args]);
    this.#child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    lines.on('line', (line) => this.lines.push(JSON.parse(line) as Line));
  }

  /** Its first token. */
  get token(): string {
    return this.tokens('started')[0] ?? '';
  }

  tokens(type: Line['type']): readonly string[] {
    return this.lines.filter((line) => line.type === type).map(({ token }) => token);
  }

  async started(): Promise<this> {
    await eventually(() => expect(this.tokens('act').length).toBeGreaterThan(0), PATIENCE);
    return this;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.signal('SIGKILL');
    await gone;
  }
}

describeWithPeer('redis-server', 'nodes that are processes of their own', () => {
  let server: RedisServer;
  let processes: NodeProcess[];

  beforeEach(async () => {
    server = await RedisServer.start();
    processes = [];
  });
  afterEach(async () => {
    await Promise.all(processes.map((one) => one.kill()));
    await server.remove();
  });

  function start(name: string, leaseMs = LEASE_MS, beatMs = leaseMs / 10): Promise<NodeProcess> {
    const node = new NodeProcess(server.port, name, [leaseMs, beatMs]);
    processes.push(node);
    return node.started();
  }

  it('all see who was killed, and nobody else is', async () => {
    const [one, two, three] = await Promise.all([start('one'), start('two'), start('three')]);
    await three.kill();
    for (const node of [one, two]) {
      await eventually(() => expect(node.tokens('dead')[0]).toBe(three.token), PATIENCE);
    }
    // Both go on.
    const acts = [one, two].map((node) => node.tokens('act').length);
    await eventually(() => {
      for (const [i, node] of [one, two].entries()) {
        expect(node.tokens('act').length).toBeGreaterThan(acts[i] ?? 0);
      }
    }, PATIENCE);
    expect([...one.tokens('lost'), ...two.tokens('lost')]).toEqual([]);
    expect(new Set([...one.tokens('dead'), ...two.tokens('dead')])).toEqual(new Set([three.token]));
  });

  it('do not wait for the lease where one is started again after it was killed', async () => {
    const lease = 600_000;
    const first = await start('one', lease, 100);
    const other = await start('two', lease, 100);
    await first.kill();
    const second = await start('one', lease, 100);
    expect(second.tokens('dead')).toEqual([first.token]);
    // That one was told.
    await eventually(() => expect(other.tokens('dead')).toEqual([first.token]), PATIENCE);
    expect(other.tokens('lost')).toEqual([]);
  });

  it('do nothing under a name that was given up, however long they stood still', async () => {
    const [one, two] = await Promise.all([start('one'), start('two')]);
    const before = one.token;
    one.signal('SIGSTOP');
    await eventually(() => expect(two.tokens('dead')[0]).toBe(before), PATIENCE);
    const done = one.lines.length;
    one.signal('SIGCONT');
    await eventually(() => {
      const after = one.lines.slice(done).filter(({ type }) => type === 'act');
      expect(after.length).toBeGreaterThan(10);
    }, PATIENCE);
    const [lost, ...later] = one.lines.slice(done);
    expect(lost).toMatchObject({ type: 'lost', trusted: false });
    expect(lost?.token).not.toBe(before);
    // What was accepted under the old name is its own to look after, too.
    expect(later.filter(({ type }) => type === 'dead').map(({ token }) => token)).toContain(before);
    expect(new Set(later.filter(({ type }) => type === 'act').map(({ token }) => token))).toEqual(
      new Set([lost?.token]),
    );
    expect(two.tokens('lost')).toEqual([]);
  });

  it('go on under their name after a moment in which nobody could give them up', async () => {
    const [one, two] = await Promise.all([start('one', 6000), start('two', 6000)]);
    one.signal('SIGSTOP');
    const stoppedAt = performance.now();
    await eventually(() => expect(performance.now() - stoppedAt).toBeGreaterThan(2000), PATIENCE);
    const done = one.lines.length;
    one.signal('SIGCONT');
    await eventually(() => expect(one.lines.length).toBeGreaterThan(done + 10), PATIENCE);
    expect(new Set(one.lines.slice(done).map(({ type, token }) => `${type} ${token}`))).toEqual(
      new Set([`act ${one.token}`]),
    );
    expect(two.tokens('dead')).toEqual([]);
  });

  it('are not given up by one that stood still itself', async () => {
    const [one, two] = await Promise.all([start('one'), start('two')]);
    // The only one that could tell is stopped, and so cannot.
    one.signal('SIGSTOP');
    two.signal('SIGSTOP');
    const stoppedAt = performance.now();
    await eventually(() => expect(performance.now() - stoppedAt).toBeGreaterThan(2 * LEASE_MS), PATIENCE);
    const done = [one, two].map(({ lines }) => lines.length);
    one.signal('SIGCONT');
    two.signal('SIGCONT');
    await eventually(() => {
      for (const [i, { lines }] of [one, two].entries())
        expect(lines.length).toBeGreaterThan((done[i] ?? 0) + 10);
    }, PATIENCE);
    expect([one, two].flatMap((node) => [...node.tokens('lost'), ...node.tokens('dead')])).toEqual([]);
  });
});
