import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseComposeFile } from '../../deploy/compose-file.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-ports.ts';
import { describeWithPeer, PeerProcess } from '../support/peers.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TEXT = readFileSync(join(ROOT, 'deploy/haproxy/haproxy.cfg'), 'utf8');
const compose = parseComposeFile(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'));

/** A node as far as a balancer can tell. */
interface FakeNode {
  readonly address: string;
  ready: boolean;
  alive: boolean;
  /** What came with requests, but for those of the checks. */
  readonly forwardedFor: (string | undefined)[];
  readonly server: Server;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

describe('deploy/haproxy/haproxy.cfg', () => {
  test('looks for the nodes where docker-compose.yml has them, and listens where it publishes', () => {
    const servers = [...TEXT.matchAll(/server-template app (1-\d+) (\w+):(\d+) /g)].map((match) =>
      match.slice(1),
    );
    expect(servers).toEqual([
      ['1-64', 'app', '8080'],
      ['1-64', 'app', '8080'],
    ]);
    expect(compose.services['app']?.['x-scalable']).toBe(true);
    // As many as node.sh has names for.
    expect(readFileSync(join(ROOT, 'deploy/voice-otp/node.sh'), 'utf8')).toContain('names=64');
    const [port] = compose.services['balancer']?.ports ?? [];
    expect(TEXT).toContain(`bind :${port?.container}\n`);
  });

  test('looks at nodes more often than they give notice', () => {
    const [, seconds] =
      /^backend ready\n(?: .*\n)* {4}server-template .* inter (\d+)s fall 1 /m.exec(TEXT) ?? [];
    const yaml = readFileSync(join(ROOT, 'deploy/voice-otp/voice-otp.yaml'), 'utf8');
    const [, noticeMs] = /^ {2}noticeMs: (\d+)$/m.exec(yaml) ?? [];
    expect(Number(seconds)).toBeGreaterThan(0);
    expect(Number(noticeMs)).toBeGreaterThanOrEqual(2000 * Number(seconds));
  });

  test('is what the balancer is started with, and goes before Docker kills it', () => {
    const { command = [], volumes = [], stop_grace_period: grace } = compose.services['balancer'] ?? {};
    expect(command[command.indexOf('-f') + 1]).toBe(volumes[0]?.target);
    expect(volumes[0]?.source).toBe('./deploy/haproxy/haproxy.cfg');
    const [, hardStop] = /hard-stop-after (\d+)s/.exec(TEXT) ?? [];
    expect(Number.parseInt(grace ?? '', 10)).toBeGreaterThan(Number(hardStop));
  });
});

describeWithPeer('haproxy', 'the balancer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'voice-otp-balancer-'));
  const nodes: FakeNode[] = [];
  let names: Socket;
  let haproxy: PeerProcess;
  let port: number;

  beforeAll(async () => {
    port = await freePorts(3);
    // As in Docker: one name, as many addresses as there are containers, all with the same port.
    for (const address of ['127.0.0.2', '127.0.0.3']) nodes.push(await startNode(address, port + 1));
    names = await answerNames(port + 2, () => nodes.filter(({ server }) => server.listening));
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, hurried(TEXT, port));
    haproxy = await PeerProcess.start('haproxy', ['-db', '-f', file], {
      cwd: folder,
      ready: async () => expect(await askedNodes()).toEqual(['127.0.0.2', '127.0.0.3']),
    });
  });

  afterAll(async () => {
    await haproxy?.stop();
    names?.close();
    for (const { server } of nodes) server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const [first, second] = [() => nodeAt(0), () => nodeAt(1)];

  function nodeAt(index: number): FakeNode {
    const node = nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  /** Which nodes answer some requests. */
  async function askedNodes(): Promise<readonly string[]> {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(port, '/v1/calls')));
    return [
      ...new Set(answers.map(({ status, body }) => (status === 200 ? body : String(status)))),
    ].toSorted();
  }

  test('a node that is not ready gets no more requests, until it is', async () => {
    first().ready = false;
    await eventually(async () => expect(await askedNodes()).toEqual([second().address]));
    first().ready = true;
    await eventually(async () => expect(await askedNodes()).toHaveLength(2));
  });

  test('where none is ready, one that lives answers for itself', async () => {
    for (const node of nodes) node.ready = false;
    first().alive = false;
    await eventually(async () => {
      expect(await ask(port, '/readyz')).toMatchObject({ status: 503, body: second().address });
      expect(await askedNodes()).toEqual([second().address]);
    });
  });

  test('where none lives, the answer is of the form that clients know', async () => {
    second().alive = false;
    await eventually(async () => {
      const { status, headers, body } = await ask(port, '/v1/calls');
      expect(status).toBe(503);
      expect(headers['retry-after']).toBe('5');
      expect(headers['content-type']).toBe('application/json');
      expect(JSON.parse(body)).toEqual({
        error: {
          code: 'not_ready',
          message: expect.any(String),
          requestId: expect.stringMatching(/^req_[\w-]{36}$/),
        },
      });
    });
    for (const node of nodes) Object.assign(node, { ready: true, alive: true });
    await eventually(async () => expect(await askedNodes()).toHaveLength(2));
  });

  test('a node that dies is out, and no request is lost to it', async () => {
    second().server.closeAllConnections();
    second().server.close();
    expect(await askedNodes()).toEqual([first().address]);
  });

  test('clients do not say where they come from', async () => {
    first().forwardedFor.splice(0);
    await ask(port, '/v1/calls', { 'x-forwarded-for': '203.0.113.9' });
    expect(first().forwardedFor).toEqual(['127.0.0.1']);
  });
});

/** The file with ports of this test, and with checks that come sooner. */
function hurried(text: string, port: number): string {
  const changes: readonly [string, string][] = [
    ['127.0.0.11:53', `127.0.0.1:${port + 2}`],
    ['bind :8080', `bind 127.0.0.1:${port}`],
    ['app:8080', `app:${port + 1}`],
    ['inter 1s', 'inter 50ms'],
    ['inter 2s', 'inter 50ms'],
    ['hold valid 1s', 'hold valid 100ms'],
    ['hold obsolete 5s', 'hold obsolete 100ms'],
  ];
  return changes.reduce((changed, [from, to]) => {
    expect(changed).toContain(from);
    return changed.replaceAll(from, to);
  }, text);
}

async function startNode(address: string, port: number): Promise<FakeNode> {
  const server = createServer(({ url, headers }, response) => {
    const isUp = url === '/readyz' ? node.ready : url === '/healthz' ? node.alive : true;
    if (url === '/v1/calls') node.forwardedFor.push(headers['x-forwarded-for']?.toString());
    response.statusCode = isUp ? 200 : 503;
    response.end(address);
  });
  const node: FakeNode = { address, ready: true, alive: true, forwardedFor: [], server };
  server.listen(port, address);
  await once(server, 'listening');
  return node;
}

/** Answers each question for a name with the addresses of these nodes (RFC 1035 §4). */
async function answerNames(port: number, nodes: () => readonly FakeNode[]): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (query, peer) => {
    const end = query.indexOf(0, 12) + 5;
    const question = query.subarray(12, end);
    const isA = query.readUInt16BE(end - 4) === 1;
    const records = (isA ? nodes() : []).map(({ address }) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)]),
    );
    const head = Buffer.from([...query.subarray(0, 2), 0x81, 0x80, 0, 1, 0, records.length, 0, 0, 0, 0]);
    socket.send(Buffer.concat([head, question, ...records]), peer.port, peer.address);
  });
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

function ask(port: number, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => void (body += chunk.toString()));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}
