import type { LabNumber } from '../page/start-page.ts';

/** Numbers that Ofcom keeps for drama: nobody has them. */
const PREFIX = '+442079460';

const SHOWN: readonly (readonly [suffix: string, what: string])[] = [
  ['700', 'rings until you answer it here'],
  ['200', 'rings and answers by itself'],
  ['180', 'rings for ever: good for a flash call'],
  ['231', 'answers and presses 1'],
  ['261', 'a voicemail with a long greeting'],
  ['486', 'is busy'],
  ['603', 'declines'],
  ['404', 'does not exist'],
];

/** Lab phones that are worth a try, one for each thing that may happen. */
export function labNumbers(): readonly LabNumber[] {
  return SHOWN.map(([suffix, what]) => ({
    number: `${PREFIX}${suffix}`,
    national: `020 7946 0${suffix}`,
    what,
  }));
}
