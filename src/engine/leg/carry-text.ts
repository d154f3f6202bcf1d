import { randomBytes } from 'node:crypto';
import { Authorization } from '../../sip/authorization.ts';
import type { SipHeader } from '../../sip/message.ts';
import { timeLimit } from '../../time-limit.ts';
import type { CallEvent, LegEnd, LegWire, TextLeg } from '../engine.ts';
import { LegClock } from './leg-clock.ts';
import { resultOf } from './leg-end.ts';
import type { PlainResult } from './plain-course.ts';

/** One MESSAGE: the first, or the one that answers a challenge. */
export interface TextTry {
  /** All of its head that does not depend on the way it takes. */
  readonly headers: readonly SipHeader[];
  readonly body: string;
}

/** Sends the MESSAGEs of one text, all to the same place. */
export interface TextSender {
  /**
   * Settles soon after the signal is aborted; what comes of the MESSAGE then is nobody's any more. Never rejects.
   *
   * @param sent hears that it was handed to the network
   */
  send(attempt: TextTry, signal: AbortSignal, sent: () => void): Promise<PlainResult>;
  /** Resolves when the far end has nothing of them any more, as far as can be known. */
  over(): Promise<unknown>;
}

/** RFC 3428 §8: the length of a MESSAGE that may go over any link. */
export const MAX_MESSAGE_BYTES = 1300;

export const TOO_LONG: PlainResult = {
  kind: 'failed',
  detail: `the MESSAGE would be longer than ${MAX_MESSAGE_BYTES} bytes`,
};

/**
 * What `Engine.message` promises, kept.
 *
 * @param open finds out where the text goes; nothing leaves yet. What it rejects with is told as `unreachable`
 */
export async function* carryText(
  text: TextLeg,
  userAgent: string,
  open: () => Promise<TextSender | PlainResult>,
  signal: AbortSignal,
  wire: LegWire | undefined,
): AsyncGenerator<CallEvent, void, undefined> {
  const clock = new LegClock();
  const sipCallId = randomBytes(16).toString('hex');
  const fromTag = randomBytes(8).toString('hex');
  const ended = (end: LegEnd): CallEvent => ({ type: 'ended', at: clock.now(), end });
  let sender: TextSender | undefined;
  try {
    const opened = await open().catch(unreachable);
    yield { type: 'trying', at: clock.now(), sipCallId, leftover: {} };
    if ('kind' in opened) return yield ended(signal.aborted ? { kind: 'canceled' } : endOf(opened));
    sender = opened;
    const authorization = text.credentials === undefined ? undefined : new Authorization(text.credentials);
    for (let cseq = 1; ; cseq++) {
      if (signal.aborted) return yield ended({ kind: 'canceled' });
      const headers = headersOf(text, { sipCallId, fromTag, cseq, userAgent }, authorization);
      const patience = timeLimit(text.timeoutMs, signal);
      const sent = (): void => wire?.sent();
      const result = await sender.send({ headers, body: text.body.reveal() }, patience, sent);
      if (cseq > 1 || !isAnswered(result, authorization)) {
        const silent = result.kind === 'no_response' && signal.aborted;
        return yield ended(silent ? { kind: 'canceled' } : endOf(result));
      }
      yield { type: 'again', at: clock.now() };
    }
  } finally {
    const over = (): void => wire?.over();
    void (sender?.over() ?? Promise.resolve()).then(over, over);
  }
}

/** Whether a challenge came that there is an answer to. */
function isAnswered(result: PlainResult, authorization: Authorization | undefined): boolean {
  if (result.kind !== 'response') return false;
  const { status } = result.response;
  return (status === 401 || status === 407) && authorization?.challenged(result.response) === true;
}

/** No Contact: there is no dialog (RFC 3428 §4). */
function headersOf(
  { from, requestUri, headers, body }: TextLeg,
  identity: { sipCallId: string; fromTag: string; cseq: number; userAgent: string },
  authorization: Authorization | undefined,
): readonly SipHeader[] {
  const name = from.displayName === undefined ? '' : `"${from.displayName}" `;
  return [
    ['From', `${name}<${from.uri}>;tag=${identity.fromTag}`],
    ['To', `<${requestUri}>`],
    ['Call-ID', identity.sipCallId],
    ['CSeq', `${identity.cseq} MESSAGE`],
    ['User-Agent', identity.userAgent],
    ...headers,
    ['Content-Type', 'text/plain;charset=UTF-8'],
    ...(authorization?.headersFor({ method: 'MESSAGE', uri: requestUri, body: body.reveal() }) ?? []),
  ];
}

function endOf(result: PlainResult): LegEnd {
  switch (result.kind) {
    case 'response': {
      const sip = resultOf(result.response);
      return { kind: sip.status < 300 ? 'taken' : 'rejected', sip };
    }
    case 'no_response':
      return { kind: 'setup_timeout' };
    case 'unreachable':
    case 'failed':
      return result;
  }
}

function unreachable(error: unknown): PlainResult {
  return { kind: 'unreachable', detail: error instanceof Error ? error.message : String(error) };
}
