import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRedis } from '../../../src/redis/connection.ts';
import type { RedisTerms } from '../../../src/redis/terms.ts';
import { Secret } from '../../../src/secret.ts';
import { Authority } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { expectAway, expectBack, linkTo, readyLinkTo } from '../../support/redis-outage.ts';
import { RedisServer } from '../../support/redis-server.ts';

type Terms = Omit<RedisTerms, 'commandTimeoutMs'>;

/** What an operator reads where the service cannot start; nothing in it, and in what caused it, is a secret. */
async function complaintOf(terms: Terms, timeoutMs = 1000): Promise<string> {
  const link = linkTo(terms);
  try {
    await link.ready(timeoutMs);
    return 'none';
  } catch (error) {
    const { name, message } = error as Error;
    expect(name).toBe('RedisNotUsable');
    expect(`${message} ${String((error as Error).cause)}`).not.toMatch(/hunter2|swordfish/);
    return message;
  } finally {
    await link.close();
  }
}

describeWithPeer('redis-server', 'a server of Redis with an access control list', () => {
  let server: RedisServer;
  let url: string;
  beforeAll(async () => {
    server = await RedisServer.start();
    url = `redis://127.0.0.1:${server.port}`;
    await server.ask((client) =>
      client.acl(
        'SETUSER',
        'dialer',
        'on',
        '>swordfish',
        '~votp:*',
        '&votp:*',
        '+@all',
        '-@admin',
        '-@dangerous',
        '+info',
      ),
    );
  });
  afterAll(() => server.remove());

  it('lets its user do what it may, and nothing else', async () => {
    const link = await readyLinkTo({ url, username: 'dialer', password: new Secret('swordfish') });
    try {
      await link.client.set('votp:{a}:b', 'c');
      expect(await link.client.eval("return redis.call('GET', KEYS[1])", 1, 'votp:{a}:b')).toBe('c');
      const { cause } = await expectAway(() => link.client.set('other', 'c'));
      expect(String(cause)).toMatch(/NOPERM/);
      await expectAway(() => link.client.eval("return redis.call('KEYS', '*')", 1, 'votp:{a}:b'));
      expect(await link.subscriber().subscribe('votp:events')).toBe(1);
    } finally {
      await link.close();
    }
  });

  it('is said to refuse a wrong password, or a user that it does not know', async () => {
    const place = `Redis (127.0.0.1:${server.port}) cannot be used: `;
    const refused = `${place}the server refuses the user name or the password`;
    expect(await complaintOf({ url, username: 'dialer', password: new Secret('hunter2') })).toBe(refused);
    expect(await complaintOf({ url, username: 'nobody', password: new Secret('swordfish') })).toBe(refused);
  });

  it('is said to ask for a password', async () => {
    const locked = await RedisServer.start();
    try {
      await locked.ask((client) => client.config('SET', 'requirepass', 'swordfish'));
      const lockedUrl = `redis://127.0.0.1:${locked.port}`;
      expect(await complaintOf({ url: lockedUrl })).toMatch(/: the server asks for a password$/);
      expect(await complaintOf({ url: lockedUrl, password: new Secret('hunter2') })).toMatch(/refuses/);
      expect(await complaintOf({ url: lockedUrl, password: new Secret('swordfish') })).toBe('none');
    } finally {
      await locked.remove();
    }
  });

  it('serves again, by itself, once a password is what it was', async () => {
    const terms = { url, username: 'shift', password: new Secret('swordfish') };
    const user = (password: string) =>
      server.ask(async (client) => {
        await client.acl('SETUSER', 'shift', 'on', 'resetpass', `>${password}`, '~*', '+@all');
        await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      });
    await user('swordfish');
    const link = await readyLinkTo(terms);
    try {
      await user('hunter2');
      for (let i = 0; i < 3; i++) await expectAway(() => link.client.get('a'));
      await user('swordfish');
      await expectBack(() => link.client.get('a'));
    } finally {
      await link.close();
    }
  });

  it('that evicts keys is complained about', async () => {
    const forgetful = await RedisServer.start('--maxmemory-policy', 'allkeys-lru');
    const warnings: unknown[] = [];
    const logger = { info: () => undefined, warn: (...said: unknown[]) => void warnings.push(said) };
    const terms = { url: `redis://127.0.0.1:${forgetful.port}`, commandTimeoutMs: 800 };
    const link = openRedis({ terms, name: 'test', logger });
    try {
      await link.ready(5000);
      expect(warnings).toEqual([[{ policy: 'allkeys-lru' }, expect.stringContaining('noeviction')]]);
    } finally {
      await link.close();
      await forgetful.remove();
    }
  });

  it('that is not there, does not answer, or is of another kind, is told apart', async () => {
    const free = await freePorts(1);
    expect(await complaintOf({ url: `redis://127.0.0.1:${free}` })).toBe(
      `Redis (127.0.0.1:${free}) cannot be used: nothing listens there (ECONNREFUSED)`,
    );
    const node = { host: '127.0.0.1', port: server.port };
    expect(await complaintOf({ cluster: { nodes: [node] } })).toMatch(/is no node of a cluster/);
    const nowhere = { host: '127.0.0.1', port: free };
    expect(await complaintOf({ cluster: { nodes: [nowhere] } })).toMatch(/the cluster of .*nothing listens/);
    expect(await complaintOf({ sentinel: { name: 'main', nodes: [nowhere] } })).toMatch(
      /the master main of the sentinels .*: no sentinel names the master$/,
    );
    server.pause();
    expect(await complaintOf({ url }, 2500)).toMatch(/: the server does not answer$/);
    server.resume();
  });

  it('tells the log once that it went, and once that it came back', async () => {
    const own = await RedisServer.start();
    const lines: string[] = [];
    const write = (level: string) => (first: unknown, second?: unknown) =>
      void lines.push(`${level}: ${String(second ?? first)}`);
    const terms = { url: `redis://127.0.0.1:${own.port}`, commandTimeoutMs: 800 };
    const link = openRedis({ terms, name: 'test', logger: { info: write('info'), warn: write('warn') } });
    try {
      await link.ready(5000);
      expect(lines).toEqual([]);
      await own.stop('SIGKILL');
      for (let i = 0; i < 3; i++) await expectAway(() => link.client.get('a'));
      await own.again();
      await expectBack(() => link.client.get('a'));
      await eventually(() => expect(lines).toEqual(['warn: Redis is away', 'info: Redis is back']));
      // Read-only, each command that writes ends its connection.
      await own.ask((client) => client.replicaof('127.0.0.1', '1'));
      for (let i = 0; i < 5; i++) {
        await expectAway(() => link.client.set('a', '1'));
        await expectBack(() => link.client.get('a'));
      }
      await own.ask((client) => client.call('REPLICAOF', 'NO', 'ONE'));
      await eventually(() => expect(lines.slice(2)).toEqual(['warn: Redis is away', 'info: Redis is back']));
    } finally {
      await link.close();
      await own.remove();
    }
    expect(lines).toHaveLength(4);
  });
});

describe('a server of Redis that is too old', () => {
  /** What is left of a Redis of another version: it takes whatever it is told, and says which one it is. */
  function serverOf(version: string): Server {
    const info = `# Server\r\nredis_version:${version}\r\n`;
    return createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        for (const command of chunk
          .toString()
          .toLowerCase()
          .split(/\*\d+\r\n/)
          .slice(1)) {
          const isInfo = command.startsWith('$4\r\ninfo');
          socket.write(isInfo ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n');
        }
      });
    });
  }

  it.each([
    ['6.2.14', /: it is of version 6, and 7 is needed$/],
    ['7.0.0', /^none$/],
    ['10.1.0', /^none$/],
  ])('is not used: %s', async (version, complaint) => {
    const server = serverOf(version);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await complaintOf({ url: `redis://127.0.0.1:${port}` })).toMatch(complaint);
    server.close();
    await once(server, 'close');
  });
});

describeWithPeer('redis-server', 'a server of Redis that speaks TLS', () => {
  const authority = new Authority('Redis Authority');
  const stranger = new Authority('Stranger');
  let server: RedisServer;
  let url: string;
  let certificate: { cert: string; key: Secret };
  beforeAll(async () => {
    const { cert, key } = authority.issue({ names: ['ip:127.0.0.1', 'dns:redis.internal'] });
    const tls = { ca: authority.cert, cert, key: key.reveal(), mutual: true };
    server = await RedisServer.with({ tls });
    url = `rediss://127.0.0.1:${server.port}`;
    certificate = authority.issue({ names: ['dns:dialer.internal'] });
  });
  afterAll(() => server.remove());

  const ca = authority.cert;

  it('is believed by its authority, and believes us by our certificate', async () => {
    for (const serverName of [undefined, 'redis.internal']) {
      const link = await readyLinkTo({ url, tls: { ca, certificate, serverName } });
      try {
        expect(await link.client.set('a', 'b')).toBe('OK');
        expect(await link.subscriber().subscribe('c')).toBe(1);
      } finally {
        await link.close();
      }
    }
  });

  it('is away, and back by itself', async () => {
    const link = await readyLinkTo({ url, tls: { ca, certificate } });
    try {
      await server.stop('SIGKILL');
      await expectAway(() => link.client.get('a'));
      await server.again();
      await expectBack(() => link.client.get('a'));
      server.pause();
      await expectAway(() => link.client.get('a'));
      await expectAway(() => link.client.get('a'));
      server.resume();
      await expectBack(() => link.client.get('a'));
    } finally {
      server.resume();
      await link.close();
    }
  });

  it.each<[string, () => Terms, RegExp]>([
    [
      'of another authority',
      () => ({ url, tls: { ca: stranger.cert, certificate } }),
      /its certificate is of no authority that is believed/,
    ],
    [
      'of an authority that is not told',
      () => ({ url, tls: { certificate } }),
      /no authority that is believed/,
    ],
    [
      'with another name',
      () => ({ url, tls: { ca, certificate, serverName: 'redis.example' } }),
      /its certificate is for another name/,
    ],
    ['that asks for our certificate', () => ({ url, tls: { ca } }), /does the server ask for a certificate/],
    [
      'that is spoken to without TLS',
      () => ({ url: url.replace('rediss:', 'redis:') }),
      /does only one side speak TLS/,
    ],
  ])('%s is not used, and it is said why', async (_, terms, why) => {
    expect(await complaintOf(terms())).toMatch(why);
    const link = linkTo(terms());
    try {
      await expectAway(() => link.client.get('a'));
    } finally {
      await link.close();
    }
  });

  it('only for us is told from one that does', async () => {
    const plain = await RedisServer.start();
    try {
      const terms = { url: `rediss://127.0.0.1:${plain.port}`, tls: { ca } };
      expect(await complaintOf(terms)).toMatch(/the server does not answer/);
    } finally {
      await plain.remove();
    }
  });
});
