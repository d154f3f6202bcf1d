/** One call at a lab phone, as somebody who sits in front of it sees it. Times are epoch milliseconds. */
export interface DeskPhone {
  /** Nobody can guess it. */
  readonly id: string;
  /** Call-ID of its SIP messages. */
  readonly sipCallId: string;
  readonly number: string;
  /** The calling number that it shows; null where there is none. */
  readonly caller: string | null;
  /** What such a phone does by itself. */
  readonly what: string;
  /** `reached`: it does not ring yet, or does not ring at all. */
  readonly state: 'reached' | 'ringing' | 'talking' | 'over';
  /** Null until it is over. */
  readonly end: 'canceled' | 'refused' | 'they_hung_up' | 'we_hung_up' | 'lost' | null;
  readonly reachedAt: number;
  readonly answeredAt: number | null;
  readonly endedAt: number | null;
  /** Keys that were pressed here. */
  readonly pressed: string;
  /** The digits that were said, an entry each time; null until the call is over, and where nothing was heard. */
  readonly heard: readonly string[] | null;
}

/** A text message that reached a lab phone. */
export interface DeskText {
  readonly id: string;
  readonly number: string;
  readonly from: string | null;
  readonly text: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** The lab's phones in front of a person. What asks too late (the call is over) does nothing and is answered false. */
export interface LabDesk {
  /** The latest last; some dozens. */
  phones(): readonly DeskPhone[];
  /** The latest last; some dozens. */
  texts(): readonly DeskText[];
  answer(id: string): boolean;
  /** Before the answer: declines (603). After it: hangs up. */
  hangUp(id: string): boolean;
  /** @param keys 0–9, `*`, `#` and A–D, one after another */
  press(id: string, keys: string): boolean;
  /** A WAV file of all that reached the phone; undefined until the call is over, and where nothing did. */
  recording(id: string): Uint8Array | undefined;
}
