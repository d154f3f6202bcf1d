import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GuardedFetch, type GuardedFetchOptions } from '../../../src/outbound/guarded-fetch.ts';
import { OutboundError } from '../../../src/outbound/outbound-error.ts';
import { WebServer } from './web-server.ts';

/** In 2000::/3, and given to nobody: as good as public, and nobody is there. */
const NOBODY = '2d00::1';

/** What an attacker's DNS says; `rebind.test` says something else each time. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  'loopback.test': ['127.0.0.1'],
  'loopback6.test': ['::1'],
  'mapped.test': ['::ffff:127.0.0.1'],
  'private.test': ['10.0.0.5'],
  'metadata.test': ['169.254.169.254'],
  'public-first.test': [NOBODY, '127.0.0.1'],
  'private-first.test': ['127.0.0.1', NOBODY],
  'scoped.test': ['fe80::1%lo'],
  'nonsense.test': ['127.1'],
};

let inside: WebServer;
let outside: WebServer;
const asked: string[] = [];
const fetchers: GuardedFetch[] = [];

async function resolve(host: string): Promise<readonly string[]> {
  asked.push(host);
  if (host === 'rebind.test')
    return asked.filter((name) => name === host).length === 1 ? [NOBODY] : ['127.0.0.1'];
  const found = NAMES[host];
  if (found === undefined) throw new Error('ENOTFOUND');
  return found;
}

/** `outside.test` is the attacker's own server, which may be asked. */
function fetcher(options: Partial<GuardedFetchOptions> = {}): GuardedFetch {
  const made = new GuardedFetch({
    allowedHosts: [],
    internalHosts: [{ host: 'outside.test', address: '127.0.0.1', port: outside.port }],
    timeoutMs: 5000,
    maxBytes: 1000,
    maxRedirects: 3,
    resolve,
    ...options,
  });
  fetchers.push(made);
  return made;
}

async function reasonOf(request: Promise<unknown>): Promise<string> {
  const error = await request.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof OutboundError ? error.reason : `not refused: ${String(error)}`;
}

beforeAll(async () => {
  inside = await WebServer.start((_request, response) => response.end('inside'));
  outside = await WebServer.start((request, response) => {
    const location = decodeURIComponent((request.url ?? '').slice(1)).replace('PORT', String(inside.port));
    response.writeHead(302, { location: location.replace('LONG', 'a'.repeat(3000)) }).end();
  });
});
beforeEach(() => {
  asked.length = 0;
  inside.connections = 0;
  outside.requests.length = 0;
});
afterAll(async () => {
  for (const made of fetchers) made.close();
  await Promise.all([inside.close(), outside.close()]);
});

/** These reach the server inside where nobody looks: what the guard is for. */
const REACHING = [
  ...['http://127.0.0.1:PORT/', 'http://2130706433:PORT/', 'http://0x7f000001:PORT/', 'http://0x7f.1:PORT/'],
  ...['http://017700000001:PORT/', 'http://0177.0.0.1:PORT/', 'http://127.1:PORT/', 'http://127.0.1:PORT/'],
  ...['http://0:PORT/', 'http://0.0.0.0:PORT/', 'http://127.0.0.1.:PORT/'],
  ...[
    'http://%31%32%37.0.0.1:PORT/',
    'http://\u{ff11}\u{ff12}\u{ff17}.0.0.1:PORT/',
    'http://127\u{3002}0.0.1:PORT/',
  ],
  ...['http://\u{2460}\u{2461}\u{2466}.0.0.1:PORT/', 'HTTP://127.0.0.1:PORT/', 'http:127.0.0.1:PORT/'],
  ...['http:\\\\127.0.0.1:PORT/', 'http:///127.0.0.1:PORT/', 'ht\ntp://127.0.\t0.1:PORT/'],
  ...['http://localhost:PORT/', 'http://LOCALHOST:PORT/'],
];

const REFUSED = [
  ...[
    'http://[::1]:PORT/',
    'http://[::]:PORT/',
    'http://127.9.8.7:PORT/',
    'http://[0:0:0:0:0:0:0:1]:PORT/',
    'http://[::127.0.0.1]:PORT/',
  ],
  ...[
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://[::FFFF:7f00:1]:PORT/',
    'http://[0:0:0:0:0:ffff:7f00:0001]:PORT/',
  ],
  ...[
    'http://[::ffff:0:7f00:1]:PORT/',
    'http://[64:ff9b::7f00:1]:PORT/',
    'http://[64:ff9b::127.0.0.1]:PORT/',
  ],
  ...['http://[64:ff9b:1::7f00:1]:PORT/', 'http://[2002:7f00:1::]:PORT/', 'http://[2002:a00:1::1]:PORT/'],
  ...['http://[2001:0:7f00:1::80ff:fffe]:PORT/', 'http://[2001:470::5efe:7f00:1]:PORT/'],
  ...[
    'http://[fe80::1]:PORT/',
    'http://[fe80::1%25lo]:PORT/',
    'http://[fe80::1%lo]:PORT/',
    'http://[::1%251]:PORT/',
  ],
  ...[
    'http://[fc00::1]:PORT/',
    'http://[fec0::1]:PORT/',
    'http://[ff02::1]:PORT/',
    'http://[2001:db8::1]:PORT/',
  ],
  ...[
    'http://10.0.0.1:PORT/',
    'http://172.16.0.1:PORT/',
    'http://172.31.255.255:PORT/',
    'http://192.168.1.1:PORT/',
  ],
  ...[
    'http://100.64.0.1:PORT/',
    'http://169.254.1.1:PORT/',
    'http://198.18.0.1:PORT/',
    'http://192.0.2.1:PORT/',
  ],
  ...[
    'http://224.0.0.1:PORT/',
    'http://255.255.255.255:PORT/',
    'http://240.0.0.1:PORT/',
    'http://0.1.2.3:PORT/',
  ],
  ...['http://169.254.169.254/latest/meta-data/', 'http://2852039166/latest/', 'http://0xa9fea9fe/latest/'],
  ...[
    'http://[::ffff:a9fe:a9fe]/latest/',
    'http://[fd00:ec2::254]/latest/',
    'http://100.100.100.200/latest/',
  ],
  ...[
    'http://168.63.129.16/machine',
    'http://metadata.google.internal/',
    'http://METADATA.google.internal./',
  ],
  ...[
    'http://metadata/',
    'http://instance-data/latest/',
    'http://localhost.:PORT/',
    'http://a.localhost:PORT/',
  ],
  ...['http://localhost.localdomain:PORT/', 'http://printer.local/', 'http://redis:6379/'],
  ...['http://loopback.test:PORT/', 'http://loopback6.test:PORT/', 'http://mapped.test:PORT/'],
  ...[
    'http://private.test:PORT/',
    'http://metadata.test/',
    'https://loopback.test:PORT/',
    'http://scoped.test:PORT/',
  ],
  ...['http://public-first.test:PORT/', 'http://private-first.test:PORT/', 'http://nonsense.test:PORT/'],
  ...['http://LOOPBACK.test.:PORT/', 'http://loopback.test:PORT#@outside.test/'],
  ...[
    'file:///etc/passwd',
    'file://127.0.0.1/etc/passwd',
    'ftp://127.0.0.1:PORT/',
    'gopher://127.0.0.1:PORT/_x',
  ],
  ...[
    'data:audio/wav;base64,UklGRg==',
    'dict://127.0.0.1:PORT/',
    'ws://127.0.0.1:PORT/',
    'blob:http://127.0.0.1/x',
  ],
  ...[
    'http://outside.test@127.0.0.1:PORT/',
    'http://outside.test:80@127.0.0.1:PORT/',
    'http://x:y@outside.test/',
  ],
  ...['http://outside.test\\@127.0.0.1:PORT/', 'http://127.0.0.1:PORT\\@outside.test/'],
  ...[
    'http://outside.test#@127.0.0.1:PORT/\r\n',
    'http://outside.test/\r\nHost: 127.0.0.1',
    'http://outside.test /',
  ],
  ...[
    'http://outside.test:22/',
    'http://outside.test:25/',
    'http://outside.test:6379/',
    'http://outside.test:0/',
  ],
  `http://outside.test/${'a'.repeat(5000)}`,
];

const withPort = (url: string): string => url.replace('PORT', String(inside.port));

describe('a hostile URL', () => {
  it('would do harm: the server inside answers those who ask it', async () => {
    for (const url of REACHING)
      expect(`${url} ${await (await fetch(withPort(url))).text()}`).toBe(`${url} inside`);
  });

  it.each([...REACHING, ...REFUSED])('is refused, and nobody is asked: %j', async (url) => {
    const reason = await reasonOf(fetcher().get(withPort(url)));
    expect({ reason, inside: inside.connections, outside: outside.requests }).toEqual({
      reason: 'refused',
      inside: 0,
      outside: [],
    });
  });

  it('is refused although its host is allowed', async () => {
    const allowed = fetcher({ allowedHosts: ['127.0.0.1', 'loopback.test', '*.test', 'localhost'] });
    for (const url of ['http://127.0.0.1:PORT/', 'http://loopback.test:PORT/', 'http://localhost:PORT/']) {
      expect(await reasonOf(allowed.get(withPort(url)))).toBe('refused');
    }
    expect(inside.connections).toBe(0);
  });

  it('is not looked up when its host is not on the list', async () => {
    expect(await reasonOf(fetcher({ allowedHosts: ['files.test'] }).get('http://loopback.test/'))).toBe(
      'refused',
    );
    expect(asked).toEqual([]);
  });

  it('is nothing but an error where the system finds no such name', async () => {
    const system = fetcher({ resolve: undefined, timeoutMs: 2000 });
    expect(await reasonOf(system.get(`http://nobody-has-this.test:${inside.port}/`))).toMatch(
      /^(failed|timeout)$/,
    );
  });
});

describe('a name that changes', () => {
  it('is looked up once, and only what was checked is connected to', async () => {
    const dialled: string[] = [];
    const watch = (message: unknown): void => {
      const { socket } = message as { socket: Socket };
      socket.on('connectionAttempt', (ip) => dialled.push(ip));
    };
    subscribe('net.client.socket', watch);
    try {
      const guarded = fetcher({ timeoutMs: 200 });
      expect(await reasonOf(guarded.get(`http://rebind.test:${inside.port}/`))).toMatch(/^(failed|timeout)$/);
      expect({ asked, dialled }).toEqual({ asked: ['rebind.test'], dialled: [NOBODY] });
      expect(await reasonOf(guarded.get(`http://rebind.test:${inside.port}/`))).toBe('refused');
      expect({ dialled, connections: inside.connections }).toEqual({ dialled: [NOBODY], connections: 0 });
    } finally {
      unsubscribe('net.client.socket', watch);
    }
  });
});

describe('a redirect', () => {
  it.each([
    ...[
      'http://127.0.0.1:PORT/',
      'http://2130706433:PORT/',
      '//127.0.0.1:PORT/',
      'http://[::ffff:7f00:1]:PORT/',
    ],
    ...['http://localhost:PORT/', 'http://loopback.test:PORT/', 'http://public-first.test:PORT/'],
    ...[
      'http://169.254.169.254/latest/',
      'http://metadata.google.internal/',
      'file:///etc/passwd',
      'data:,x',
    ],
    ...['ftp://127.0.0.1:PORT/', 'gopher://127.0.0.1:PORT/', 'javascript:x', '\\\\127.0.0.1:PORT\\'],
    ...['http://user:pw@outside.test/', 'http://outside.test@127.0.0.1:PORT/', 'http://outside.test:22/'],
    '/LONG',
  ])('is not followed to %j', async (location) => {
    const reason = await reasonOf(fetcher().get(`http://outside.test/${encodeURIComponent(location)}`));
    expect({ reason, inside: inside.connections, outside: outside.requests.length }).toEqual({
      reason: 'refused',
      inside: 0,
      outside: 1,
    });
  });

  it('is followed to allowed hosts only', async () => {
    const guarded = fetcher({ allowedHosts: ['files.test'] });
    const url = `http://outside.test/${encodeURIComponent('http://public-first.test/')}`;
    expect(await reasonOf(guarded.get(url))).toBe('refused');
    expect(asked).toEqual([]);
  });

  it('is checked in each of a row', async () => {
    const last = encodeURIComponent('http://127.0.0.1:PORT/');
    const url = `http://outside.test/${encodeURIComponent(`/${encodeURIComponent(`/${last}`)}`)}`;
    expect(await reasonOf(fetcher().get(url))).toBe('refused');
    expect({ inside: inside.connections, outside: outside.requests.length }).toEqual({
      inside: 0,
      outside: 3,
    });
  });
});

describe('an error', () => {
  it.each([
    'http://someone:pass-word@127.0.0.1/secret?secret',
    'http://127.0.0.1/secret?secret',
    'http://loopback.test/secret?secret',
    'http://unknown.test/secret?secret',
    'http://outside.test/file:%2f%2f%2fsecret',
    'http://outside.test:22/secret',
    `http://outside.test/${encodeURIComponent('http://127.0.0.1/secret?secret')}`,
  ])('says nothing of path, query or user: %s', async (url) => {
    const error: unknown = await fetcher()
      .get(url)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OutboundError);
    const { message, stack, cause } = error as OutboundError;
    expect(`${message} ${stack} ${JSON.stringify(cause)} ${String(cause)}`).not.toMatch(
      /secret|pass-word|someone/,
    );
  });
});
