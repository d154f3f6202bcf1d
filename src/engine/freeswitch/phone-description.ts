import type { Direction, LocalMedia, Negotiated } from '../../media/sdp.ts';

/** The phone as FreeSWITCH is told of it: where its RTP is and what it understands. */
export function describePhone(phone: Negotiated, version: number): LocalMedia {
  const { codec, payloadType, telephoneEventPayloadType: event, srtp } = phone;
  return {
    sessionId: '1',
    version,
    address: phone.address,
    port: phone.port,
    rtcpPort: phone.rtcpPort,
    codecs: [codec],
    payloadTypes: { [codec]: payloadType },
    telephoneEvent: event !== null,
    ...(event === null ? {} : { telephoneEventPayloadType: event }),
    direction: seenFromThere(phone.direction),
    ...(srtp === undefined ? {} : { srtp: { required: true, keys: [srtp.receive] } }),
  };
}

/** What we may do is what the other side hears of as its own. */
function seenFromThere(direction: Direction): Direction {
  if (direction === 'sendonly') return 'recvonly';
  return direction === 'recvonly' ? 'sendonly' : direction;
}
