import { CODE_PLACE } from '../prompt/text-template.ts';
import { Secret } from '../secret.ts';
import { measure } from './measure.ts';
import { ownText } from './own-texts.ts';

/**
 * UTF-8 bytes of a text. RFC 3428 §8 has no more than 1300 for a whole MESSAGE that may go over an unknown link; its
 * head, with credentials, takes up to half of that.
 */
const MAX_BYTES = 640;

/**
 * The text with the code in each of its places.
 *
 * @param template null: our own, in the language of the locale
 * @throws RangeError where the text has no place for the code; the message does not hold the text
 */
export function messageOf(template: string | null, code: Secret, locale: string): Secret {
  const text = template ?? ownText(locale);
  const parts = text.split(CODE_PLACE);
  if (parts.length < 2) throw new RangeError(`a text message has no ${CODE_PLACE} in it`);
  return new Secret(parts.join(code.reveal()));
}

/** Messages that a text is sent and charged as. */
export function segmentsOf(text: Secret): number {
  return measure(text.reveal()).segments;
}

/** Whether a trunk carries a text: `maxSegments` is the trunk's. */
export function fits(text: Secret, maxSegments: number): boolean {
  const { segments, bytes } = measure(text.reveal());
  return segments <= maxSegments && bytes <= MAX_BYTES;
}
