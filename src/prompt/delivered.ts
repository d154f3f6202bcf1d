/**
 * When the characters of each said code have been said: for every time that a code is said, the end of each of its
 * characters in milliseconds from the start of the prompt. A character ends where the longest of all would, so that
 * this tells the length of a code and nothing else of it.
 */
export interface DeliveryMarks {
  readonly codes: readonly (readonly number[])[];
}

/** Of a prompt that says no code. */
export const NO_MARKS: DeliveryMarks = { codes: [] };

/** What of its codes had been sent when a prompt ended. */
export interface Said {
  /** Of the time that went furthest. */
  readonly characters: number;
  /** How often a code was said to its end. */
  readonly codes: number;
}

/** @param sentMs how much of the prompt was sent, from its start */
export function saidOf({ codes }: DeliveryMarks, sentMs: number): Said {
  const counts = codes.map((ends) => ends.filter((end) => end <= sentMs).length);
  return {
    characters: Math.max(0, ...counts),
    codes: codes.filter(({ length }, time) => length > 0 && counts[time] === length).length,
  };
}
