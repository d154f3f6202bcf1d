import { z } from 'zod';

/** What stands for the code in a text that the service takes. */
const CODE_PLACE = '{code}';

/**
 * A client's own words around the code, as the service takes them.
 *
 * @param place what stands for the code in them
 */
export function ownText(place: string = CODE_PLACE) {
  return z
    .string()
    .max(1000)
    .regex(/^[\P{Cc}\n\r\t]*$/u, { error: 'expected no control characters but line ends and tabs' })
    .refine((words) => words.includes(place), { error: `expected a text with ${place} in it` })
    .transform((words) => words.replaceAll(place, CODE_PLACE));
}
