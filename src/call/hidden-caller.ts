import type { CallEvent, SipResult } from '../engine/engine.ts';
import type { Secret } from '../secret.ts';

const HIDDEN = '•••';
/** Digits of a calling number by which it is known, with or without its country code. */
const TELLING_DIGITS = 6;
/** Digits with what people write between them. */
const RUN = /\d(?:[-.()\s/]{0,2}\d){5,}/g;

/**
 * The event without the calling number in what the far end says of the end: networks repeat it ("caller 4416… is not
 * allowed"), and of a flash call it is what is to be proven. Other numbers, such as one to ask for redress, stay.
 *
 * @param cli the whole calling number
 */
export function withHiddenCaller(event: CallEvent, cli: string): CallEvent {
  const telling = cli.replace(/\D/g, '').slice(-TELLING_DIGITS);
  if (telling === '') return event;
  return withHidden(event, (text) =>
    text.replace(RUN, (run) => (run.replace(/\D/g, '').includes(telling) ? HIDDEN : run)),
  );
}

/** The event of a text message without the code in what the far end says of the end. */
export function withHiddenCode(event: CallEvent, code: Secret): CallEvent {
  const characters = Array.from(code.reveal(), (one) => one.replace(/[^\p{L}\p{N}]/gu, '\\$&'));
  const written = new RegExp(characters.join('[-.\\s]?'), 'giu');
  return withHidden(event, (text) => text.replace(written, HIDDEN));
}

function withHidden(event: CallEvent, hidden: (text: string) => string): CallEvent {
  if (event.type !== 'ended' || !('sip' in event.end) || event.end.sip === undefined) return event;
  const { reason, reasonText, redressUri } = event.end.sip;
  const sip: SipResult = {
    ...event.end.sip,
    reason: hidden(reason),
    ...(reasonText === undefined ? {} : { reasonText: hidden(reasonText) }),
    ...(redressUri === undefined ? {} : { redressUri: hidden(redressUri) }),
  };
  return { ...event, end: { ...event.end, sip } };
}
