import type { SipEndpoint } from '../../sip/endpoint.ts';
import type { SipRequest } from '../../sip/message.ts';
import { formatMessage } from '../../sip/message.ts';
import type { TextLeg } from '../engine.ts';
import { MAX_MESSAGE_BYTES, type TextSender, type TextTry, TOO_LONG } from '../leg/carry-text.ts';
import { untilAborted } from '../leg/deadline.ts';
import type { PlainResult } from '../leg/plain-course.ts';
import { peersOf, transact } from './plain-request.ts';

/**
 * Sends a text to the first address of its trunk, in transactions of its own (RFC 3261 §17.1.2).
 *
 * @throws Error where there is no address, or nobody who could be connected to proved to be the one that is meant
 */
export async function openText(
  text: TextLeg,
  endpoint: SipEndpoint,
  signal: AbortSignal,
): Promise<TextSender> {
  const [peer] = await untilAborted(signal, peersOf(text, endpoint), new Error('aborted'));
  if (peer === undefined) throw new Error(`no address for ${text.nextHop.host}`);
  const localAddress = await endpoint.localAddress(peer);

  const send = (attempt: TextTry, patience: AbortSignal, sent: () => void): Promise<PlainResult> => {
    const request = requestOf(text, attempt);
    const via = endpoint.newVia(peer, localAddress);
    const whole = formatMessage({ ...request, headers: [['Via', via], ...request.headers] });
    if (whole.length > MAX_MESSAGE_BYTES) return Promise.resolve(TOO_LONG);
    return transact(endpoint, request, peer, localAddress, patience, { via, sent });
  };
  // A transaction that is given up is forgotten at once.
  return { send, over: () => Promise.resolve() };
}

function requestOf({ requestUri: uri }: TextLeg, { headers, body }: TextTry): SipRequest {
  return { kind: 'request', method: 'MESSAGE', uri, headers: [['Max-Forwards', '70'], ...headers], body };
}
