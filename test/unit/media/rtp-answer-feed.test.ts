import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Codec } from '../../../src/engine/engine.ts';
import { AnswerDetector, type AnswerFinding } from '../../../src/media/answer-detector.ts';
import { decodePcma, decodePcmu, encodePcma, encodePcmu, PAYLOAD_TYPES } from '../../../src/media/g711.ts';
import { RtpAnswerFeed } from '../../../src/media/rtp-answer-feed.ts';
import type { RtpPacket } from '../../../src/media/rtp-packet.ts';
import { room, speech } from '../../support/answered-line.ts';
import { joined, silence, throughMuLaw, tone } from '../../support/telephone-line.ts';

const START_MS = 5000;
const PACKET_MS = 20;
const PACKET = 160;
/** What a feed does not take for a pause yet, and how far it lets packets run ahead. */
const SLACK_MS = 100;
const LEAD_MS = 500;

/** A detector that keeps all that it is given, gaps as silence. */
class KeepingDetector extends AnswerDetector {
  readonly kept: number[] = [];

  override push(samples: Int16Array, sending = false): readonly AnswerFinding[] {
    for (const sample of samples) this.kept.push(sample);
    return super.push(samples, sending);
  }
}

interface Fed {
  readonly feed: RtpAnswerFeed;
  readonly found: AnswerFinding[];
  readonly kept: number[];
}

function feeding(): Fed {
  const found: AnswerFinding[] = [];
  const detector = new KeepingDetector();
  const feed = new RtpAnswerFeed(START_MS, (finding) => found.push(finding), detector);
  return { feed, found, kept: detector.kept };
}

function packetOf(payload: Uint8Array, sequence: number, change: Partial<RtpPacket> = {}): RtpPacket {
  const header = { marker: false, payloadType: PAYLOAD_TYPES.PCMU, timestamp: 0, ssrc: 7 };
  return { ...header, sequence: sequence & 0xffff, payload, ...change };
}

/** The audio in packets; the sequence numbers wrap at the third of them. */
function packetsOf(audio: Int16Array, codec: Codec = 'PCMU'): RtpPacket[] {
  const bytes = codec === 'PCMU' ? encodePcmu(audio) : encodePcma(audio);
  return Array.from({ length: bytes.length / PACKET }, (_, i) =>
    packetOf(bytes.subarray(i * PACKET, (i + 1) * PACKET), 0xfffe + i),
  );
}

/** Audio of which no packet is like another. */
const VARIED = Int16Array.from({ length: 40 * PACKET }, (_, i) => ((i * 37) % 20_011) - 10_000);

/** Hands the packets over, one every 20 ms; `undefined` is one that does not come. */
function hear({ feed }: Fed, packets: readonly (RtpPacket | undefined)[], sending = false): void {
  for (const [i, packet] of packets.entries()) {
    const nowMs = START_MS + (i + 1) * PACKET_MS;
    if (packet !== undefined) feed.take(packet, 'PCMU', sending, nowMs);
    if (i % 5 === 4) feed.tick(sending, nowMs);
  }
}

describe('what is heard', () => {
  it.each([
    ['PCMU', decodePcmu(encodePcmu(VARIED))],
    ['PCMA', decodePcma(encodePcma(VARIED))],
  ] as const)('is what was sent, in %s', (codec, audio) => {
    const { feed, kept } = feeding();
    for (const [i, packet] of packetsOf(VARIED, codec).entries()) {
      feed.take(packet, codec, false, START_MS + (i + 1) * PACKET_MS);
    }
    expect(kept).toEqual([...audio]);
  });

  it('is in the order in which it was sent, when packets pass one another or come twice', () => {
    const packets = packetsOf(VARIED);
    // Each is up to two places late.
    const places = fc.array(fc.nat({ max: 2 }), { minLength: packets.length, maxLength: packets.length });
    fc.assert(
      fc.property(places, fc.nat({ max: 39 }), (late, twice) => {
        const fed = feeding();
        const order = packets.map((packet, i) => ({
          packet,
          place: i === 0 ? 0 : i + (late[i] ?? 0) + i / 100,
        }));
        order.sort((a, b) => a.place - b.place);
        const coming = order.map(({ packet }) => packet);
        for (const [i, packet] of coming.entries()) {
          const nowMs = START_MS + (i + 1) * PACKET_MS;
          fed.feed.take(packet, 'PCMU', false, nowMs);
          if (i === twice) fed.feed.take(packet, 'PCMU', false, nowMs);
        }
        // What waits for a packet that is two places late.
        fed.feed.tick(false, START_MS + 42 * PACKET_MS);
        expect(fed.kept).toEqual([...throughMuLaw(VARIED)]);
      }),
      { numRuns: 50 },
    );
  });

  it('has silence in the place of what is lost, and does not take it any more', () => {
    const fed = feeding();
    const packets = packetsOf(VARIED);
    hear(fed, [...packets.slice(0, 10), undefined, undefined, ...packets.slice(12), packets[10]]);
    const expected = throughMuLaw(VARIED);
    expected.fill(0, 10 * PACKET, 12 * PACKET);
    expect(fed.kept.slice(0, expected.length)).toEqual([...expected]);
    expect(fed.kept.length).toBeLessThanOrEqual(expected.length + PACKET);
  });

  it('goes on with another source, and with one that begins its numbers anew', () => {
    const fed = feeding();
    const packets = packetsOf(VARIED);
    hear(fed, [
      ...packets.slice(0, 10),
      ...packets.slice(10, 20).map((packet) => ({ ...packet, ssrc: 8, sequence: packet.sequence + 3 })),
      ...packets.slice(20).map((packet) => ({ ...packet, ssrc: 8, sequence: packet.sequence + 30_000 })),
    ]);
    expect(fed.kept).toEqual([...throughMuLaw(VARIED)]);
  });
});

describe('the time', () => {
  it('goes on without packets, and by no more than the clock', () => {
    const fed = feeding();
    for (let ms = 0; ms <= 3000; ms += 100) {
      fed.feed.tick(false, START_MS + ms);
      expect(fed.kept.length / 8).toBeLessThanOrEqual(ms);
      expect(fed.kept.length / 8).toBeGreaterThan(ms - SLACK_MS);
    }
  });

  it('is that of the clock, where the far end sends nothing while it is silent', () => {
    const word = packetsOf(VARIED.subarray(0, 10 * PACKET));
    const fed = feeding();
    const pause = Array.from({ length: 50 }, () => undefined);
    const again = word.map((packet) => ({ ...packet, sequence: packet.sequence + 10 }));
    hear(fed, [...pause, ...word, ...pause, ...again]);
    expect(Math.abs(fed.kept.length / 8 - 120 * PACKET_MS)).toBeLessThanOrEqual(SLACK_MS);
    const said = [...throughMuLaw(VARIED.subarray(0, 10 * PACKET))];
    const firstAt = fed.kept.findIndex((sample) => sample !== 0);
    expect(Math.abs(firstAt / 8 - 1000)).toBeLessThanOrEqual(SLACK_MS);
    expect(fed.kept.slice(firstAt, firstAt + said.length)).toEqual(said);
    expect(fed.kept.slice(-said.length)).toEqual(said);
  });

  it('is not made to run by who sends too much', () => {
    const { feed, kept } = feeding();
    const flood = packetsOf(new Int16Array(1000 * PACKET));
    for (const packet of flood) feed.take(packet, 'PCMU', false, START_MS + 100);
    expect(kept.length / 8).toBeLessThanOrEqual(100 + LEAD_MS);
    feed.tick(false, START_MS + 2000);
    expect(kept.length / 8).toBeLessThanOrEqual(2000);
    expect(kept.length / 8).toBeGreaterThan(2000 - SLACK_MS);
  });

  it('keeps to the clock, whatever comes', () => {
    const packet = fc.record({
      sequence: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 0xffff })),
      ssrc: fc.nat({ max: 2 }),
      payload: fc.uint8Array({ maxLength: 400 }),
      afterMs: fc.nat({ max: 300 }),
    });
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 60 }), (coming) => {
        const { feed, kept } = feeding();
        let nowMs = START_MS;
        for (const { sequence, ssrc, payload, afterMs } of coming) {
          nowMs += afterMs;
          feed.take(packetOf(payload, sequence, { ssrc }), 'PCMU', false, nowMs);
          expect(kept.length / 8).toBeLessThanOrEqual(nowMs - START_MS + LEAD_MS);
        }
        feed.tick(false, nowMs + 1000);
        expect(kept.length / 8).toBeGreaterThan(nowMs - START_MS + 1000 - SLACK_MS - 1);
      }),
    );
  });
});

describe('what is found', () => {
  const found = (audio: Int16Array, sent: (packet: RtpPacket, i: number) => boolean, sending = false) => {
    const fed = feeding();
    const packets = packetsOf(audio.subarray(0, Math.floor(audio.length / PACKET) * PACKET));
    hear(
      fed,
      packets.map((packet, i) => (sent(packet, i) ? packet : undefined)),
      sending,
    );
    return fed.found.map((finding) => (finding.type === 'verdict' ? finding.reason : 'tone'));
  };
  const person = joined(silence(700), speech(600), silence(2500));
  const machine = joined(silence(700), speech(4500), silence(600), tone(1000, 400), silence(600));
  const all = (): boolean => true;
  const loud = ({ payload }: RtpPacket): boolean => payload.some((byte) => byte !== 0xff);

  it.each([
    ['all packets', all],
    ['no packets for silence', loud],
    ['one packet in twenty lost', (_: RtpPacket, i: number) => i % 20 !== 7],
  ])('is a person and a machine, with %s', (_name, sent) => {
    expect(found(person, sent)).toEqual(['short_greeting']);
    expect(found(machine, sent)).toEqual(['long_greeting', 'tone']);
  });

  it('is nothing where our echo is all that comes while we speak', () => {
    const echo = room(speech(4500).map((sample) => sample / 6));
    expect(found(echo, all, true)).toEqual([]);
    expect(found(echo, all, false)).toEqual(['long_greeting']);
  });
});
