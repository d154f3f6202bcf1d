import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePcma, encodePcmu } from '../../../src/media/g711.ts';
import { resample } from '../../../src/media/resample.ts';
import { formatWav, parseWav } from '../../../src/media/wav.ts';
import { GuardedFetch } from '../../../src/outbound/guarded-fetch.ts';
import type { PromptError, PromptFault } from '../../../src/prompt/prompt-error.ts';
import { UrlClips } from '../../../src/prompt/url-clips.ts';
import { WebServer } from '../outbound/web-server.ts';

interface Fields {
  readonly tag?: number;
  readonly channels?: number;
  readonly sampleRate?: number;
  readonly bits?: number;
  readonly blockAlign?: number;
  readonly data?: Uint8Array;
  /** Of the data chunk, as its header has it. */
  readonly dataSize?: number;
  readonly riffSize?: number;
  readonly fmtTail?: readonly number[];
  /** Chunks before fmt, and between fmt and data. */
  readonly first?: Uint8Array;
  readonly between?: Uint8Array;
}

const u16 = (value: number): number[] => [value & 255, (value >>> 8) & 255];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
const chunk = (id: string, data: Uint8Array, size = data.length): Buffer =>
  Buffer.concat([Buffer.from(id), Uint8Array.from(u32(size)), data]);

function wav(fields: Fields): Buffer {
  const { tag = 1, channels = 1, sampleRate = 8000, bits = 16, data = noise(1600), fmtTail = [] } = fields;
  const blockAlign = fields.blockAlign ?? (channels * bits) / 8;
  const numbers = [
    u16(tag),
    u16(channels),
    u32(sampleRate),
    u32(sampleRate * blockAlign),
    u16(blockAlign),
    u16(bits),
  ];
  const body = Buffer.concat([
    Buffer.from('WAVE'),
    fields.first ?? Buffer.alloc(0),
    chunk('fmt ', Uint8Array.from([...numbers.flat(), ...fmtTail])),
    fields.between ?? Buffer.alloc(0),
    chunk('data', data, fields.dataSize),
  ]);
  return chunk('RIFF', body, fields.riffSize);
}

/** The same bytes each time. */
function noise(bytes: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: bytes }, () => (state = (state * 48_271) % 0x7fff_ffff) & 255);
}

const GUID_TAIL = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
const extensible = (tag: number, bits: number): number[] => [
  ...u16(22),
  ...u16(bits),
  ...u32(3),
  ...u16(tag),
  ...GUID_TAIL,
];

let server: WebServer;
let fetch: GuardedFetch;
let body: Uint8Array;
let type: string | undefined;

beforeAll(async () => {
  server = await WebServer.start((_request, response) => {
    if (type !== undefined) response.setHeader('content-type', type);
    response.end(body);
  });
  fetch = new GuardedFetch({
    allowedHosts: [],
    internalHosts: [{ host: 'a.test', address: '127.0.0.1', port: server.port }],
    timeoutMs: 20_000,
    maxBytes: 6_000_000,
    maxRedirects: 3,
  });
});
afterAll(async () => {
  fetch.close();
  await server.close();
});

async function clipOf(file: Uint8Array, contentType?: string, maxSeconds = 60): Promise<Int16Array> {
  body = file;
  type = contentType;
  const clips = new UrlClips({ fetch, maxSeconds, memoryBytes: 1_000_000, now: Date.now });
  return clips.clip('http://a.test/secret-path?secret-query', new AbortController().signal);
}

async function faultOf(file: Uint8Array, contentType?: string, maxSeconds?: number): Promise<PromptFault> {
  const error = await clipOf(file, contentType, maxSeconds).then(
    () => expect.fail('it was taken'),
    (thrown: PromptError) => thrown,
  );
  expect(error.message).toContain('http://a.test');
  expect(`${error.message} ${error.stack}`).not.toMatch(/secret/);
  return error.fault;
}

const same = (a: Int16Array, b: Int16Array): boolean =>
  Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0;
const whole = (file: Uint8Array): Int16Array => resample(parseWav(file), 8000).samples.slice();

describe('a WAV by URL', () => {
  it.each<[string, Fields]>([
    ['8 bit', { bits: 8 }],
    ['16 bit', {}],
    ['24 bit', { bits: 24 }],
    ['32 bit', { bits: 32 }],
    ['µ-law', { tag: 7, bits: 8 }],
    ['A-law', { tag: 6, bits: 8 }],
    ['µ-law with an extension size', { tag: 7, bits: 8, fmtTail: [0, 0] }],
    ['extensible 16 bit', { tag: 0xfffe, fmtTail: extensible(1, 16) }],
    ['extensible 24 bit', { tag: 0xfffe, bits: 24, fmtTail: extensible(1, 24) }],
    ['chunks around fmt', { first: chunk('LIST', noise(6)), between: chunk('fact', noise(4)) }],
    ['a chunk of odd length', { between: Buffer.concat([chunk('LIST', noise(5)), Buffer.alloc(1)]) }],
  ])('is played: %s, mono and stereo, at rates of 8 to 48 kHz', async (_name, fields) => {
    for (const channels of [1, 2]) {
      for (const sampleRate of [
        8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 37_800, 44_100, 48_000,
      ]) {
        const file = wav({ ...fields, channels, sampleRate, data: noise(sampleRate) });
        expect(same(await clipOf(file), whole(file))).toBe(true);
      }
    }
  });

  it('sounds in pieces as it does in one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.integer({ min: 80, max: 480 }).map((hundreds) => hundreds * 100),
          fc.constantFrom(11_025, 22_050),
        ),
        fc.integer({ min: 6, max: 150_000 }),
        async (sampleRate, frames) => {
          const file = wav({ sampleRate, bits: 8, data: noise(frames) });
          expect(same(await clipOf(file), whole(file))).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('keeps the sound that was recorded', async () => {
    const tone = (rate: number): number[] =>
      Array.from({ length: rate * 3 }, (_, i) =>
        Math.round(12_000 * Math.sin((2 * Math.PI * 1000 * i) / rate)),
      );
    const at48 = Int16Array.from(tone(48_000));
    for (const file of [
      formatWav({ sampleRate: 48_000, samples: at48 }),
      wav({ tag: 7, bits: 8, sampleRate: 48_000, data: encodePcmu(at48) }),
      wav({ tag: 6, bits: 8, sampleRate: 48_000, data: encodePcma(at48) }),
    ]) {
      const clip = await clipOf(file);
      const off = tone(8000).map((value, i) => Math.abs(value - (clip[i] ?? 0)));
      expect(clip).toHaveLength(24_000);
      // Of a tone of 12,000: what 8 bits leave out; the first and the last samples miss what comes before and after.
      expect(Math.max(...off.slice(100, -100))).toBeLessThan(500);
    }
  });

  it.each<[string, Fields | Uint8Array]>([
    ['float', { tag: 3, bits: 32 }],
    ['extensible float', { tag: 0xfffe, bits: 32, fmtTail: extensible(3, 32) }],
    ['ADPCM', { tag: 2, bits: 4, blockAlign: 256 }],
    ['MP3 in WAV', { tag: 0x55, bits: 0, blockAlign: 1 }],
    ['16-bit A-law', { tag: 6 }],
    ['12 bit', { bits: 12, blockAlign: 2 }],
    ['64 bit', { bits: 64 }],
    ['no channel', { channels: 0 }],
    ['three channels', { channels: 3 }],
    ['0 Hz', { sampleRate: 0 }],
    ['4000 Hz', { sampleRate: 4000 }],
    ['7999 Hz', { sampleRate: 7999 }],
    ['48,001 Hz', { sampleRate: 48_001 }],
    ['96 kHz', { sampleRate: 96_000 }],
    ['4 GHz', { sampleRate: 0xffff_ffff }],
    ['a rate that nobody uses', { sampleRate: 47_999 }],
    ['a frame of no bytes', { blockAlign: 0 }],
    ['a frame of too many bytes', { blockAlign: 60_000 }],
    ['no sound', { data: Buffer.alloc(0) }],
    ['less than a sample of a clip', { sampleRate: 48_000, data: Buffer.alloc(10) }],
    ['half a frame', { channels: 2, data: Buffer.alloc(3) }],
    ['a sub-format of nobody', { tag: 0xfffe, fmtTail: [...extensible(1, 16).slice(0, -1), 0] }],
    ['an extensible header that is too short', { tag: 0xfffe }],
    ['no bytes', Buffer.alloc(0)],
    ['half a header', wav({}).subarray(0, 30)],
    ['a header and no data chunk', wav({}).subarray(0, 36)],
    ['data before fmt', wav({ first: chunk('data', noise(20)) })],
    ['a chunk as long as it gets', wav({ first: chunk('LIST', noise(20), 0xffff_ffff) })],
    ['big endian', Buffer.concat([Buffer.from('RIFX'), wav({}).subarray(4)])],
    ['an MP3', Buffer.concat([Buffer.from('ID3'), noise(5000)])],
    ['a web page', Buffer.from('<!doctype html><title>RIFF WAVE fmt data</title>')],
    ['nothing but empty chunks', Buffer.concat([wav({}).subarray(0, 12), Buffer.alloc(5_000_000)])],
  ])('is no sound: %s', async (_name, file) => {
    const bytes = file instanceof Uint8Array ? file : wav(file);
    expect(await faultOf(bytes, 'audio/wav')).toBe('not_audio');
  });

  it.each<[string, Fields, number]>([
    ['a data chunk that is longer than the file', { dataSize: 100_000_000 }, 800],
    ['a data chunk of 4 GB', { dataSize: 0xffff_ffff }, 800],
    ['a stream without length', { dataSize: 0, riffSize: 0xffff_ffff }, 800],
    ['a data chunk that is shorter than the file', { dataSize: 1000 }, 500],
    ['a file that is cut off in a frame', { channels: 2, data: noise(1603) }, 400],
    ['a RIFF length that is wrong', { riffSize: 3 }, 800],
  ])('is as long as its bytes: %s', async (_name, fields, samples) => {
    expect(await clipOf(wav(fields))).toHaveLength(samples);
  });

  it('is refused when it is too long, before it is decoded', async () => {
    const file = wav({ bits: 8, sampleRate: 8000, data: noise(80_001) });
    expect(await faultOf(file, undefined, 10)).toBe('too_long');
    expect(await clipOf(file.subarray(0, -1), undefined, 10)).toHaveLength(80_000);
    expect(await faultOf(wav({ data: noise(6_000_000) }), undefined, 10_000)).toBe('too_long');
  });

  it.each([
    ...[
      'audio/wav',
      'audio/x-wav; charset=binary',
      'AUDIO/WAVE',
      'audio/vnd.wave',
      'audio/mpeg',
      'application/x-wav',
    ],
    ...['application/octet-stream', 'binary/octet-stream', ' application/octet-stream ;x', undefined, ''],
  ])('may come as %j', async (contentType) => expect(await clipOf(wav({}), contentType)).toHaveLength(800));

  it.each([
    ...['text/html', 'text/html; charset=utf-8', 'text/plain', 'application/json', 'application/xhtml+xml'],
    ...['image/png', 'video/mp4', 'multipart/byteranges', 'application/pdf', 'audio', '<secret>'],
  ])('does not come as %j', async (contentType) => {
    expect(await faultOf(wav({}), contentType)).toBe('not_audio');
  });

  it('leaves turns to others while it is made', async () => {
    const response = {
      status: 200,
      headers: {},
      body: wav({ sampleRate: 48_000, data: noise(960_000) }),
      url: 'http://x/',
    };
    const source = { get: () => Promise.resolve(response) };
    const clips = new UrlClips({ fetch: source, maxSeconds: 60, memoryBytes: 1_000_000, now: Date.now });
    let turns = 0;
    const clip = clips.clip('http://x/', new AbortController().signal);
    while ((await Promise.race([clip, nextTurn('a turn')])) === 'a turn') turns++;
    expect(await clip).toHaveLength(80_000);
    expect(turns).toBeGreaterThanOrEqual(10);
  });
});

describe('a URL that gives nothing', () => {
  it.each<[string, PromptFault]>([
    ['http://127.0.0.1/secret', 'url_refused'],
    ['ftp://a.test/secret', 'url_refused'],
    ['http://a.test:22/secret', 'url_refused'],
    ['not a URL, but a secret', 'url_refused'],
  ])('is refused: %s', async (url, fault) => {
    const clips = new UrlClips({ fetch, maxSeconds: 60, memoryBytes: 1_000_000, now: Date.now });
    const error: unknown = await clips
      .clip(url, new AbortController().signal)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'PromptError', fault });
    expect((error as Error).message).not.toMatch(/secret/);
  });

  it.each<[number, string]>([
    [199, 'a.test'],
    [201, 'a.test'],
    [206, 'a.test'],
    [304, 'a.test'],
    [404, 'a.test'],
    [503, 'a.test'],
  ])('has failed: status %i', async (status, host) => {
    const other = await WebServer.start((_request, response) => {
      response.socket?.end(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    });
    const guarded = new GuardedFetch({
      allowedHosts: [],
      internalHosts: [{ host, address: '127.0.0.1', port: other.port }],
      timeoutMs: 20_000,
      maxBytes: 1000,
      maxRedirects: 0,
    });
    const clips = new UrlClips({ fetch: guarded, maxSeconds: 60, memoryBytes: 1_000_000, now: Date.now });
    try {
      await expect(clips.clip(`http://${host}/`, new AbortController().signal)).rejects.toMatchObject({
        fault: 'url_failed',
      });
    } finally {
      await other.close();
    }
  });
});
