import { describe, expect, it } from 'vitest';
import { OutboundError } from '../../../src/outbound/outbound-error.ts';
import { UrlGuard } from '../../../src/outbound/url-guard.ts';

const OPEN = new UrlGuard([], []);
const refusalOf = (guard: UrlGuard, url: string, base?: string): OutboundError | undefined => {
  try {
    guard.check(url, base === undefined ? undefined : new URL(base));
    return undefined;
  } catch (error) {
    if (error instanceof OutboundError) return error;
    throw error;
  }
};

describe('UrlGuard', () => {
  it.each<[string, string, string]>([
    ['http://files.test/a.wav', 'files.test', 'http://files.test/a.wav'],
    ['HTTPS://FILES.Test:443/A.wav', 'files.test', 'https://files.test/A.wav'],
    ['http://files.test./a?b=c#d', 'files.test', 'http://files.test/a?b=c'],
    ['http://files.test:8080', 'files.test', 'http://files.test:8080/'],
    ['http://b\u{fc}cher.test/', 'xn--bcher-kva.test', 'http://xn--bcher-kva.test/'],
    ['http://files.test/\u{e4}', 'files.test', 'http://files.test/%C3%A4'],
    ['http://0x8.010.2056/', '8.8.8.8', 'http://8.8.8.8/'],
    ['http://[2606:4700:0:0::1]/', '2606:4700::1', 'http://[2606:4700::1]/'],
  ])('takes %s', (address, host, href) => {
    const target = OPEN.check(address);
    expect({ host: target.host, href: target.url.href }).toEqual({ host, href });
  });

  it.each([
    ...[
      '',
      ' ',
      'files.test',
      '/a.wav',
      '//files.test/a',
      'http:',
      'http://',
      'http:files.test',
      'http:/files.test',
    ],
    ...['http:///files.test/a', 'file:///etc/passwd', 'ftp://files.test/', 'gopher://files.test/', 'data:,x'],
    ...[
      'javascript:alert(1)',
      'ws://files.test/',
      'blob:http://files.test/1',
      'view-source:http://files.test/',
    ],
    ...['http://a b.test/', ' http://files.test/', 'http://files.test/\r\nx: y', 'ht\ntp://files.test/'],
    ...[
      'http://files.test/a\tb',
      'http://files.test/\u{0}',
      'http://files.test\\@evil.test/',
      'http:\\\\files.test',
    ],
    ...['http://user@files.test/', 'http://user:pw@files.test/', 'http://:pw@files.test/'],
    ...[
      'http://files.test:22/',
      'http://files.test:25/',
      'http://files.test:6379/',
      'http://files.test:8021/',
    ],
    ...[
      'http://files.test:81/',
      'http://files.test:0/',
      'http://files.test:1023/',
      'http://files.test:65536/',
    ],
    ...[
      'http://redis/',
      'http://localhost/',
      'http://LOCALHOST./',
      'http://a.localhost/',
      'http://nas.local/',
    ],
    ...[
      'http://metadata.google.internal/',
      'http://router.home.arpa/',
      'http://a.onion/',
      'http://a.localdomain/',
    ],
    ...[
      'http://files..test/',
      'http://files.test../',
      'http://.files.test/',
      'http://-.test/',
      'http://*.test/',
    ],
    ...['http://[::1%25lo]/', 'http://[::1%lo]/', 'http://[::1', 'http://1.2.3.4.5/', 'http://256.1.1.1/'],
    `http://files.test/${'a'.repeat(2048)}`,
    `http://files.test/${'\u{e4}'.repeat(1000)}`,
    `http://${'a'.repeat(64)}.test/`,
    `http://${'a.'.repeat(127)}test/`,
  ])('refuses %j', (address) => expect(refusalOf(OPEN, address)?.reason).toBe('refused'));

  it.each([
    ['/b.wav', 'http://files.test/b.wav'],
    ['b.wav?x', 'http://files.test/a/b.wav?x'],
    ['//other.test/b', 'http://other.test/b'],
    ['https://other.test/b', 'https://other.test/b'],
  ])('takes a redirect to %s', (location, href) => {
    expect(OPEN.check(location, new URL('http://files.test/a/a.wav')).url.href).toBe(href);
  });

  it.each([
    ...[
      'file:///etc/passwd',
      'data:,x',
      '//localhost/',
      '//user@other.test/',
      '//other.test:22/',
      '\\\\other.test',
    ],
    ...['/a\r\nb', 'http://127.1\t/', 'gopher://other.test/'],
  ])('refuses a redirect to %j', (location) => {
    expect(refusalOf(OPEN, location, 'http://files.test/a.wav')?.reason).toBe('refused');
  });

  it.each<[string, boolean]>([
    ['http://files.test/', true],
    ['http://FILES.test./', true],
    ['http://www.files.test/', false],
    ['http://files.test.evil.test/', false],
    ['http://a.media.test/', true],
    ['http://a.b.media.test/', true],
    ['http://media.test/', false],
    ['http://evilmedia.test/', false],
    ['http://8.8.8.8/', true],
    ['http://134744072/', true],
    ['http://8.8.4.4/', false],
    ['http://[2606:4700::1]/', true],
    ['http://[2606:4700::2]/', false],
    ['http://xn--bcher-kva.test/', true],
    ['http://inside/', true],
    ['http://inside:22/', false],
  ])('keeps to its list: %s', (address, allowed) => {
    const guard = new UrlGuard(
      ['Files.test', '*.Media.test.', '8.8.8.8', '2606:4700:0::1', 'b\u{fc}cher.test'],
      [{ host: 'inside', address: '10.0.0.1' }],
    );
    expect(refusalOf(guard, address)).toEqual(allowed ? undefined : expect.any(OutboundError));
  });

  it('knows internal hosts in every spelling', () => {
    const entry = { host: '127.0.0.1', address: '127.0.0.1' };
    const guard = new UrlGuard([], [entry, { host: 'Clips.Internal.', address: '::1', port: 8080 }]);
    expect(guard.check('http://0x7f.1/').internal).toEqual(entry);
    expect(guard.check('http://CLIPS.internal/').internal).toMatchObject({ address: '::1', port: 8080 });
    expect(refusalOf(guard, 'http://a.clips.internal/')).toBeDefined();
  });

  it.each([
    '',
    '*',
    '*.',
    'a*.test',
    '*.*.test',
    'http://files.test',
    'files.test/a',
    'files.test:80',
    'u@files.test',
    'a..b.test',
    '*.192.0.2.1',
  ])('has no use for the entry %j', (entry) => expect(() => new UrlGuard([entry], [])).toThrow(RangeError));

  it('wants addresses for internal hosts', () => {
    expect(() => new UrlGuard([], [{ host: 'a.test', address: 'b.test' }])).toThrow(RangeError);
  });

  it.each([
    'http://someone:pass-word@files.test/secret-path?secret-query',
    'http://files.test:22/secret-path?secret-query#secret',
    'http://localhost/secret-path?secret-query',
    'http://files.test/secret-path\r\n',
    'ftp://files.test/secret-path',
    'http://files.test:99999/secret-path',
    `http://files.test/secret${'a'.repeat(3000)}`,
  ])('does not repeat what it refuses: %s', (address) => {
    const error = refusalOf(OPEN, address);
    expect(error).toBeDefined();
    expect(`${error?.message} ${error?.stack} ${String(error?.cause)}`).not.toMatch(
      /secret|pass-word|someone/,
    );
  });
});
