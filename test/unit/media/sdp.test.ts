import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LocalMedia } from '../../../src/media/sdp.ts';
import { answerOffer, createOffer, readAnswer, SdpError } from '../../../src/media/sdp.ts';
import { cpuMs } from '../../support/cpu-time.ts';

const OURS: LocalMedia = {
  sessionId: '1234567890123456789',
  version: 1,
  address: '192.0.2.1',
  port: 4000,
  codecs: ['PCMU', 'PCMA'],
  telephoneEvent: true,
};

/** An answer with further lines of the session and of its audio section. */
function answer({
  session = 'c=IN IP4 198.51.100.7',
  media = 'm=audio 5000 RTP/AVP 0 101',
  attributes = '',
} = {}): string {
  const lines = ['v=0', 'o=- 1 1 IN IP4 198.51.100.7', 's=-', session, 't=0 0', media, attributes];
  return `${lines.filter((line) => line !== '').join('\r\n')}\r\n`;
}

describe('an offer', () => {
  it('has one audio line with all codecs, telephone-event and 20 ms', () => {
    expect(createOffer(OURS).split('\r\n')).toEqual([
      'v=0',
      'o=- 1234567890123456789 1 IN IP4 192.0.2.1',
      's=-',
      'c=IN IP4 192.0.2.1',
      't=0 0',
      'm=audio 4000 RTP/AVP 0 8 101',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:8 PCMA/8000',
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:101 0-15',
      'a=ptime:20',
      'a=sendrecv',
      '',
    ]);
  });

  it('keeps the order of codecs, and leaves out what is not wanted', () => {
    const offer = createOffer({ ...OURS, codecs: ['PCMA'], telephoneEvent: false, direction: 'sendonly' });
    expect(offer).toContain('m=audio 4000 RTP/AVP 8\r\n');
    expect(offer).not.toContain('telephone-event');
    expect(offer).toContain('a=sendonly');
  });

  it('writes IPv6, and the port of RTCP only where it is another', () => {
    const offer = createOffer({ ...OURS, address: '2001:db8::1', rtcpPort: 4001 });
    expect(offer).toContain('c=IN IP6 2001:db8::1\r\n');
    expect(offer).not.toContain('a=rtcp');
    expect(createOffer({ ...OURS, rtcpPort: 5555 })).toContain('a=rtcp:5555\r\n');
  });

  it.each([
    ['a name as address', { address: 'example.org' }],
    ['a session id with a line end', { sessionId: '1\r\na=evil' }],
    ['no codec', { codecs: [] }],
    ['two meanings of a payload type', { telephoneEventPayloadType: 8 }],
    ['a payload type of 128', { telephoneEventPayloadType: 128 }],
  ])('is refused with %s', (_, change) => {
    expect(() => createOffer({ ...OURS, ...change })).toThrow(RangeError);
  });
});

describe('an answer', () => {
  it('decides codec, addresses and packet length', () => {
    const attributes = 'a=rtpmap:101 telephone-event/8000\r\na=ptime:20';
    expect(readAnswer(answer({ attributes }), OURS)).toEqual({
      address: '198.51.100.7',
      port: 5000,
      rtcpAddress: '198.51.100.7',
      rtcpPort: 5001,
      codec: 'PCMU',
      payloadType: 0,
      telephoneEventPayloadType: 101,
      receivedAudioPayloadTypes: [0, 8],
      receivedEventPayloadTypes: [101],
      ptimeMs: 20,
      direction: 'sendrecv',
    });
  });

  it.each([
    ['the first of several', 'm=audio 5000 RTP/AVP 8 0', '', { codec: 'PCMA', payloadType: 8 }],
    ['after one we do not know', 'm=audio 5000 RTP/AVP 18 8', '', { codec: 'PCMA', payloadType: 8 }],
    [
      'by a dynamic number',
      'm=audio 5000 RTP/AVP 97',
      'a=rtpmap:97 pcma/8000',
      { codec: 'PCMA', payloadType: 97 },
    ],
    ['with one channel said', 'm=audio 5000 RTP/AVP 97', 'a=rtpmap:97 PCMU/8000/1', { payloadType: 97 }],
    ['not in stereo', 'm=audio 5000 RTP/AVP 97 0', 'a=rtpmap:97 PCMU/8000/2', { payloadType: 0 }],
    ['not at 16 kHz', 'm=audio 5000 RTP/AVP 97 8', 'a=rtpmap:97 PCMU/16000', { payloadType: 8 }],
    ['not by a lie', 'm=audio 5000 RTP/AVP 0 8', 'a=rtpmap:0 PCMA/8000', { codec: 'PCMA', payloadType: 8 }],
    ['with a count of ports', 'm=audio 5000/1 RTP/AVP 0', '', { port: 5000, codec: 'PCMU' }],
  ])('names the codec: %s', (_, media, attributes, expected) => {
    expect(readAnswer(answer({ media, attributes }), OURS)).toMatchObject(expected);
  });

  it('may give telephone-event another number; what comes may have either', () => {
    const media = 'm=audio 5000 RTP/AVP 0 96';
    const negotiated = readAnswer(answer({ media, attributes: 'a=rtpmap:96 telephone-event/8000' }), OURS);
    expect(negotiated).toMatchObject({ telephoneEventPayloadType: 96, receivedEventPayloadTypes: [101, 96] });
  });

  it('may have no telephone-event, or one that was not offered', () => {
    expect(readAnswer(answer(), OURS).telephoneEventPayloadType).toBeNull();
    const attributes = 'a=rtpmap:101 telephone-event/8000';
    const without = readAnswer(answer({ attributes }), { ...OURS, telephoneEvent: false });
    expect(without).toMatchObject({ telephoneEventPayloadType: null, receivedEventPayloadTypes: [] });
  });

  it.each([
    ['', 20],
    ['a=ptime:10', 10],
    ['a=ptime:30', 30],
    ['a=ptime:40', 40],
    ['a=ptime:60', 60],
    ['a=ptime:20.0', 20],
    ['a=ptime:25', 20],
    ['a=ptime:0', 20],
    ['a=ptime:99999', 20],
    ['a=ptime:', 20],
    ['a=maxptime:10', 10],
    ['a=maxptime:5', 20],
    ['a=ptime:60\r\na=maxptime:45', 40],
    ['a=ptime:20\r\na=maxptime:240', 20],
  ])('with %j makes packets of %i ms', (attributes, ptimeMs) => {
    expect(readAnswer(answer({ attributes }), OURS).ptimeMs).toBe(ptimeMs);
  });

  it.each([
    ['', undefined, 'sendrecv'],
    ['a=sendrecv', undefined, 'sendrecv'],
    ['a=sendonly', undefined, 'recvonly'],
    ['a=recvonly', undefined, 'sendonly'],
    ['a=inactive', undefined, 'inactive'],
    ['', 'sendonly', 'sendonly'],
    ['a=sendonly', 'sendonly', 'inactive'],
    ['a=recvonly', 'recvonly', 'inactive'],
  ] as const)('with %j to our %s lets us be %s', (attributes, ours, direction) => {
    const offered = { ...OURS, ...(ours ? { direction: ours } : {}) };
    expect(readAnswer(answer({ attributes }), offered).direction).toBe(direction);
  });

  it('says directions and addresses for the session, and better ones for the stream', () => {
    const session = 'c=IN IP4 198.51.100.7\r\na=inactive\r\na=ptime:40';
    expect(readAnswer(answer({ session }), OURS)).toMatchObject({ direction: 'inactive', ptimeMs: 40 });
    const attributes = 'c=IN IP4 203.0.113.5\r\na=recvonly';
    expect(readAnswer(answer({ session, attributes }), OURS)).toMatchObject({
      address: '203.0.113.5',
      direction: 'sendonly',
    });
  });

  it('holds the call by an address of zeros', () => {
    expect(readAnswer(answer({ session: 'c=IN IP4 0.0.0.0' }), OURS).direction).toBe('inactive');
  });

  it.each([
    ['a=rtcp:6000', '198.51.100.7', 6000],
    ['a=rtcp:6000 IN IP4 203.0.113.5', '203.0.113.5', 6000],
    ['a=rtcp:6000 IN IP4 evil.example', '198.51.100.7', 6000],
    ['a=rtcp:6000 IN IP4 239.1.1.1', '198.51.100.7', 6000],
    ['a=rtcp:0', '198.51.100.7', 5001],
    ['a=rtcp:70000', '198.51.100.7', 5001],
  ])('with %j wants RTCP at %s port %i', (attributes, rtcpAddress, rtcpPort) => {
    expect(readAnswer(answer({ attributes }), OURS)).toMatchObject({ rtcpAddress, rtcpPort });
  });

  it('may reject streams and offer others: the first audio that is left counts', () => {
    const media = [
      'm=audio 0 RTP/AVP 0',
      'm=video 6000 RTP/AVP 31',
      'm=audio 6002 RTP/SAVP 0',
      'm=audio 6004 RTP/AVP 8',
      'm=audio 6006 RTP/AVP 0',
    ].join('\r\n');
    expect(readAnswer(answer({ media }), OURS)).toMatchObject({ port: 6004, codec: 'PCMA' });
  });

  it('may come over IPv6, with bare line ends', () => {
    const sdp = answer({ session: 'c=IN IP6 2001:db8::7' }).replaceAll('\r\n', '\n');
    expect(readAnswer(sdp, { ...OURS, address: '2001:db8::1' }).address).toBe('2001:db8::7');
  });

  it.each([
    ['nothing', ''],
    ['no m= line', 'v=0\r\nc=IN IP4 198.51.100.7\r\n'],
    ['no c= line', answer({ session: '' })],
    ['a name', answer({ session: 'c=IN IP4 phone.example' })],
    ['another family', answer({ session: 'c=IN IP6 2001:db8::7' })],
    ['a family that lies', answer({ session: 'c=IN IP6 198.51.100.7' })],
    ['multicast', answer({ session: 'c=IN IP4 233.252.0.1/127' })],
    ['multicast without its TTL', answer({ session: 'c=IN IP4 233.252.0.1' })],
    ['broadcast', answer({ session: 'c=IN IP4 255.255.255.255' })],
    ['a rejected stream', answer({ media: 'm=audio 0 RTP/AVP 0' })],
    ['a port out of range', answer({ media: 'm=audio 65536 RTP/AVP 0' })],
    ['no codec of ours', answer({ media: 'm=audio 5000 RTP/AVP 18 101' })],
    ['video only', answer({ media: 'm=video 5000 RTP/AVP 0' })],
    ['SRTP', answer({ media: 'm=audio 5000 RTP/SAVP 0' })],
    ['no formats', answer({ media: 'm=audio 5000 RTP/AVP' })],
    ['too much', answer({ attributes: 'a=x\r\n'.repeat(4000) })],
    ['too many streams', answer({ attributes: 'm=audio 0 RTP/AVP 0\r\n'.repeat(20) })],
  ])('is refused with an SdpError: %s', (_, sdp) => {
    expect(() => readAnswer(sdp, OURS)).toThrow(SdpError);
  });

  it('refuses a codec that was not offered', () => {
    expect(() => readAnswer(answer(), { ...OURS, codecs: ['PCMA'] })).toThrow(SdpError);
  });
});

describe('an offer that we answer', () => {
  const THEIRS: LocalMedia = { ...OURS, address: '198.51.100.7', port: 5000, sessionId: '7' };

  it('agrees with the answer that the other side reads', () => {
    const codecs = fc.constantFrom(['PCMU'] as const, ['PCMA'] as const, ['PCMA', 'PCMU'] as const);
    const direction = fc.constantFrom('sendrecv', 'sendonly', 'recvonly', 'inactive');
    const event = fc.option(fc.integer({ min: 96, max: 127 }), { nil: undefined });
    fc.assert(
      fc.property(codecs, direction, direction, event, (wanted, ours, theirs, payloadType) => {
        const local = { ...OURS, direction: ours };
        const phone = {
          ...THEIRS,
          codecs: wanted,
          direction: theirs,
          ...(payloadType === undefined ? {} : { telephoneEventPayloadType: payloadType }),
        };
        const { sdp, negotiated } = answerOffer(createOffer(local), phone);
        const read = readAnswer(sdp, local);
        expect(read.codec).toBe(wanted[0]);
        expect(negotiated.codec).toBe(wanted[0]);
        expect(read).toMatchObject({ address: '198.51.100.7', port: 5000 });
        expect(negotiated).toMatchObject({
          address: '192.0.2.1',
          port: 4000,
          telephoneEventPayloadType: 101,
        });
        expect(read.telephoneEventPayloadType).toBe(payloadType ?? 101);
        // What one side may send, the other has to expect.
        expect(read.receivedAudioPayloadTypes).toContain(negotiated.payloadType);
        expect(negotiated.receivedAudioPayloadTypes).toContain(read.payloadType);
        expect(negotiated.receivedEventPayloadTypes).toContain(read.telephoneEventPayloadType);
        const mirrored = {
          sendrecv: 'sendrecv',
          sendonly: 'recvonly',
          recvonly: 'sendonly',
          inactive: 'inactive',
        };
        expect(read.direction).toBe(mirrored[negotiated.direction]);
      }),
    );
  });

  it('gets an answer to each of its streams, all but one rejected', () => {
    const offer = createOffer(OURS).replace(
      'm=audio',
      'm=video 6000 UDP/TLS/RTP/SAVPF 31 99\r\na=rtpmap:99 H264/90000\r\nm=audio 6002 RTP/SAVP 0\r\nm=audio',
    );
    const { sdp } = answerOffer(`${offer}m=image 6004 udptl t38\r\n`, THEIRS);
    expect(sdp.split('\r\n').filter((line) => line.startsWith('m='))).toEqual([
      'm=video 0 UDP/TLS/RTP/SAVPF 31 99',
      'm=audio 0 RTP/SAVP 0',
      'm=audio 5000 RTP/AVP 0 101',
      'm=image 0 udptl t38',
    ]);
  });

  it('repeats the times of the offer and its packet length', () => {
    const offer = createOffer(OURS).replace('t=0 0', 't=3034423619 0').replace('ptime:20', 'ptime:30');
    const { sdp, negotiated } = answerOffer(offer, THEIRS);
    expect(sdp).toContain('t=3034423619 0\r\n');
    expect(sdp).toContain('a=ptime:30\r\n');
    expect(negotiated.ptimeMs).toBe(30);
  });

  it.each(['a=sendonly', 'a=inactive'])('holds the call with %s', (line) => {
    const { sdp, negotiated } = answerOffer(createOffer(OURS).replace('a=sendrecv', line), THEIRS);
    expect(['recvonly', 'inactive']).toContain(negotiated.direction);
    expect(sdp).toContain(`a=${negotiated.direction}\r\n`);
  });

  it('keeps the dynamic numbers of the offer', () => {
    const offer = createOffer({ ...OURS, codecs: ['PCMA'], payloadTypes: { PCMA: 98 } });
    const { sdp, negotiated } = answerOffer(offer, THEIRS);
    expect(sdp).toContain('m=audio 5000 RTP/AVP 98 101\r\na=rtpmap:98 PCMA/8000\r\n');
    expect(negotiated).toMatchObject({ codec: 'PCMA', payloadType: 98 });
  });

  it('is refused without a codec of ours', () => {
    expect(() =>
      answerOffer(createOffer({ ...OURS, codecs: ['PCMA'] }), { ...THEIRS, codecs: ['PCMU'] }),
    ).toThrow(SdpError);
  });
});

describe('hostile SDP', () => {
  const good = createOffer({ ...OURS, rtcpPort: 9 });

  function survives(sdp: string): void {
    for (const use of [() => readAnswer(sdp, OURS), () => answerOffer(sdp, OURS)]) {
      try {
        use();
      } catch (error) {
        expect(error).toBeInstanceOf(SdpError);
        expect((error as SdpError).message).toMatch(/^[\w .,'=/-]+$/);
      }
    }
  }

  it('only ever throws an SdpError: any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), survives), { numRuns: 1000 });
  });

  it('only ever throws an SdpError: lines in any order, with any values', () => {
    const pieces = [
      ...good.split('\r\n'),
      'a=rtpmap:',
      'm=',
      'c=',
      'a=__proto__:1',
      'm=audio',
      'a=rtcp:1 IN IP9 x',
    ];
    const value = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.constantFrom('-1', '1e9', '99999999999999999999', '__proto__'),
    );
    const line = fc.oneof(
      fc.constantFrom(...pieces),
      fc.tuple(fc.constantFrom(...pieces), value).map(([piece, text]) => piece.replace(/[^ :=]+$/, text)),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => survives(lines.join('\r\n'))),
      { numRuns: 2000 },
    );
  });

  it('only ever throws an SdpError: bytes changed', () => {
    const change = fc.tuple(fc.nat(good.length - 1), fc.string({ unit: 'binary', maxLength: 3 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
        const text = changes.reduce((sdp, [at, put]) => sdp.slice(0, at) + put + sdp.slice(at + 1), good);
        survives(text);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no time, however it is made', () => {
    const parts = [
      'a=candidate:',
      'a=imageattr:* send [',
      'a=simulcast: ',
      'a=ssrc:1 ',
      'a=ptime:',
      'm=audio ',
    ];
    const ms = cpuMs(() => {
      for (const part of parts) {
        survives(`${good}${part}${'1 .'.repeat(4000)}\r\n`);
        survives(good + `${part}${'1.'.repeat(100)}\r\n`.repeat(40));
      }
    });
    expect(ms).toBeLessThan(1000);
  });
});
