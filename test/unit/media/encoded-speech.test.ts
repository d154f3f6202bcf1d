import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EncodedPart, encodeSpeech, SpeechReader } from '../../../src/media/encoded-speech.ts';
import { encodePcma, encodePcmu } from '../../../src/media/g711.ts';

const SILENCE = 0xff;

function flat(parts: readonly EncodedPart[]): number[] {
  return parts.flatMap((part) => (typeof part === 'number' ? Array<number>(part).fill(SILENCE) : [...part]));
}

const parts = fc.array(fc.oneof(fc.nat(200), fc.uint8Array({ maxLength: 200 })), { maxLength: 8 });

describe('SpeechReader', () => {
  it('reads all parts in order, whatever the size of a packet, and silence after them', () => {
    fc.assert(
      fc.property(parts, fc.integer({ min: 1, max: 300 }), fc.nat(3), (speech, size, header) => {
        const reader = new SpeechReader(speech);
        const read: number[] = [];
        while (reader.position < reader.length) {
          const packet = new Uint8Array(header + size);
          reader.read(packet, header, SILENCE);
          expect([...packet.subarray(0, header)]).toEqual(Array<number>(header).fill(0));
          read.push(...packet.subarray(header));
        }
        const whole = flat(speech);
        expect(reader.length).toBe(whole.length);
        expect(read.slice(0, whole.length)).toEqual(whole);
        expect(read.slice(whole.length).every((byte) => byte === SILENCE)).toBe(true);
      }),
    );
  });

  it('begins anywhere', () => {
    fc.assert(
      fc.property(parts, fc.nat(2000), (speech, position) => {
        const reader = new SpeechReader(speech, position);
        const rest = flat(speech).slice(position);
        const packet = new Uint8Array(rest.length + 5);
        reader.read(packet, 0, SILENCE);
        expect([...packet.subarray(0, rest.length)]).toEqual(rest);
      }),
    );
  });
});

describe('encodeSpeech', () => {
  const clip = Int16Array.from({ length: 160 }, (_, i) => Math.round(8000 * Math.sin(i / 3)));
  const speech = { sampleRate: 8000, parts: [clip, 80, clip] };

  it('encodes clips and keeps silence as a number', () => {
    expect(flat(encodeSpeech(speech, 'PCMU'))).toEqual([
      ...encodePcmu(clip),
      ...Array<number>(80).fill(SILENCE),
      ...encodePcmu(clip),
    ]);
    expect(encodeSpeech(speech, 'PCMA')[0]).toEqual(encodePcma(clip));
  });

  it('encodes a clip once for all calls, in memory that threads share', () => {
    const [first, , second] = encodeSpeech(speech, 'PCMU');
    const [other] = encodeSpeech({ sampleRate: 8000, parts: [clip] }, 'PCMU');
    expect(first).toBe(second);
    expect(first).toBe(other);
    expect((first as Uint8Array).buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('brings another rate down to that of the codec', () => {
    const wide = { sampleRate: 16_000, parts: [new Int16Array(320), 160] };
    const [audio, pause] = encodeSpeech(wide, 'PCMU');
    expect((audio as Uint8Array).length).toBe(160);
    expect(pause).toBe(80);
  });
});
