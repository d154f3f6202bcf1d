/** What a lab phone does, by the last three digits of its number: mostly the SIP status it stands for. */

export interface Provisional {
  /** From the INVITE, milliseconds. */
  readonly afterMs: number;
  readonly status: number;
  /** With a description: early media. */
  readonly sdp?: boolean;
  /** RFC 3262: wants a PRACK. */
  readonly reliable?: boolean;
}

/** How the network tells a key: as telephone-event (RFC 4733), or in SIP INFO with a body of this type. */
export type KeyTelling = 'rtp' | 'application/dtmf-relay' | 'application/dtmf';

export interface Press {
  /** One after another, about four in a second. */
  readonly keys: string;
  /** From the ACK, milliseconds. */
  readonly afterMs: number;
  /** Each key is told in all of these ways; as telephone-event unless told. */
  readonly by?: readonly KeyTelling[];
}

/** A clip of our own sounds (en-US) by its name, a made-up tone, or silence. */
export type PhoneSound =
  | { readonly clip: string }
  | { readonly toneHz: number; readonly forMs: number }
  | { readonly silenceMs: number };

export interface AfterAnswer {
  /** One after another from the answer on; silence then. Only silence unless told. */
  readonly says?: readonly PhoneSound[];
  /** Sends no packet at all. */
  readonly mute?: boolean;
  /** Hangs up so long after the answer. */
  readonly hangUpAfterMs?: number;
  readonly presses?: readonly Press[];
  /** Re-INVITE with sendonly, and back. */
  readonly hold?: { readonly afterMs: number; readonly forMs: number };
}

export interface Behaviour {
  readonly what: string;
  /** No response of any kind. */
  readonly silent?: boolean;
  readonly challenge?: { readonly status: 401 | 407; readonly algorithm: 'MD5' | 'SHA-256' };
  readonly provisionals: readonly Provisional[];
  /** `never`: until it is canceled. */
  readonly final:
    | 'never'
    | {
        readonly afterMs: number;
        readonly status: number;
        readonly reason?: string;
        readonly headers?: readonly (readonly [string, string])[];
      };
  readonly answer?: AfterAnswer;
  /** A CANCEL is answered, and then the call with 200: both crossed on the way. */
  readonly crossesCancel?: boolean;
}

const RING: Provisional = { afterMs: 50, status: 180 };
const answers = (afterMs: number) => ({ afterMs, status: 200 });
/** Rings, answers and presses. */
const pressing = (what: string, presses: readonly Press[]): Behaviour => ({
  what,
  provisionals: [RING],
  final: answers(200),
  answer: { presses },
});
/** Rings, answers and says something. */
const saying = (what: string, says: readonly PhoneSound[]): Behaviour => ({
  what,
  provisionals: [RING],
  final: answers(200),
  answer: { says },
});
const pause = (silenceMs: number): PhoneSound => ({ silenceMs });
const NAME: PhoneSound = { clip: 'c' };
const SHORT_GREETING: PhoneSound = { clip: 'greeting' };
/** About seven seconds, without a longer pause. */
const LONG_GREETING: readonly PhoneSound[] = [SHORT_GREETING, { clip: 'press' }, { clip: 'confirmed' }];
/** Special information tones (ITU-T E.180). */
const INFORMATION_TONES = [950, 1400, 1800].map((toneHz): PhoneSound => ({ toneHz, forMs: 330 }));
const BEEP: PhoneSound = { toneHz: 1000, forMs: 400 };

/** Q.850 causes that carriers send along (RFC 3326, ITU-T Q.850). */
const CAUSES: Readonly<Record<number, number>> = {
  404: 1,
  408: 18,
  480: 20,
  484: 28,
  486: 17,
  503: 34,
  603: 21,
};

const BY_SUFFIX: Readonly<Record<string, Behaviour>> = {
  '000': { what: 'silent: no response at all', silent: true, provisionals: [], final: 'never' },
  '100': { what: '100 Trying, then nothing', provisionals: [], final: 'never' },
  '141': {
    what: '401 with SHA-256, then rings for ever',
    challenge: { status: 401, algorithm: 'SHA-256' },
    provisionals: [RING],
    final: 'never',
  },
  '147': {
    what: '407 with MD5, then rings for ever',
    challenge: { status: 407, algorithm: 'MD5' },
    provisionals: [RING],
    final: 'never',
  },
  '180': { what: 'rings for ever', provisionals: [RING], final: 'never' },
  '181': {
    what: 'forwarded (181), then rings for ever',
    provisionals: [
      { afterMs: 50, status: 181 },
      { ...RING, afterMs: 100 },
    ],
    final: 'never',
  },
  '183': {
    what: '183 with early media, then 180, then answers',
    provisionals: [
      { afterMs: 50, status: 183, sdp: true },
      { afterMs: 400, status: 180 },
    ],
    final: answers(900),
  },
  '184': {
    what: '183 with early media for ever, no 180',
    provisionals: [{ afterMs: 50, status: 183, sdp: true }],
    final: 'never',
  },
  '185': {
    what: '183 with early media, 180 after 0.6 s, rings for ever',
    provisionals: [
      { afterMs: 50, status: 183, sdp: true },
      { afterMs: 600, status: 180 },
    ],
    final: 'never',
  },
  '186': {
    what: 'rings for ever, and sends 180 every 0.2 s for 2 s',
    provisionals: Array.from({ length: 10 }, (_, i) => ({ ...RING, afterMs: 50 + i * 200 })),
    final: 'never',
  },
  '188': {
    what: 'rings, is forwarded (181) after 0.4 s, rings for ever',
    provisionals: [RING, { afterMs: 400, status: 181 }],
    final: 'never',
  },
  '189': {
    what: 'forwarded (181), no 180',
    provisionals: [{ afterMs: 50, status: 181 }],
    final: 'never',
  },
  '198': {
    what: 'reliable 180 (100rel), rings for ever',
    provisionals: [{ ...RING, reliable: true }],
    final: 'never',
  },
  '199': {
    what: 'reliable 180 (100rel), then answers',
    provisionals: [{ ...RING, reliable: true }],
    final: answers(400),
  },
  '200': { what: 'rings shortly and answers', provisionals: [RING], final: answers(300) },
  '210': { what: 'answers at once, without ringing', provisionals: [], final: answers(20) },
  '220': {
    what: 'answers and hangs up after 3 s',
    provisionals: [RING],
    final: answers(200),
    answer: { hangUpAfterMs: 3000 },
  },
  '240': {
    what: 'answers, puts the call on hold after 2 s for 2 s',
    provisionals: [RING],
    final: answers(200),
    answer: { hold: { afterMs: 2000, forMs: 2000 } },
  },
  '241': {
    what: 'answers, puts the call on hold after 1 s for 1 s, presses 1 after 3 s',
    provisionals: [RING],
    final: answers(200),
    answer: { hold: { afterMs: 1000, forMs: 1000 }, presses: [{ keys: '1', afterMs: 3000 }] },
  },
  '250': pressing('answers and presses 1, told in SIP INFO (application/dtmf-relay)', [
    { keys: '1', afterMs: 1000, by: ['application/dtmf-relay'] },
  ]),
  '251': pressing('answers and presses 1, told in SIP INFO (application/dtmf)', [
    { keys: '1', afterMs: 1000, by: ['application/dtmf'] },
  ]),
  '252': pressing('answers and presses 1, told as telephone-event and in SIP INFO', [
    { keys: '1', afterMs: 1000, by: ['rtp', 'application/dtmf-relay'] },
  ]),
  '253': pressing('answers and presses 4493817', [{ keys: '4493817', afterMs: 1000 }]),
  '254': pressing('answers, presses 1 after 1 s, and 0 after 2, 3 and 4 s', [
    { keys: '1', afterMs: 1000 },
    { keys: '0', afterMs: 2000 },
    { keys: '0', afterMs: 3000 },
    { keys: '0', afterMs: 4000 },
  ]),
  '260': saying('a person: answers, says a short word and waits', [pause(600), NAME]),
  '261': saying('a voicemail: a long greeting, a beep, and records', [
    ...[pause(400), ...LONG_GREETING],
    ...[pause(300), BEEP],
  ]),
  '262': saying('a voicemail that never beeps: a long greeting, and records', [pause(400), ...LONG_GREETING]),
  '263': {
    what: 'answers and sends no audio at all',
    provisionals: [RING],
    final: answers(200),
    answer: { mute: true },
  },
  '264': pressing('a person: answers, says nothing, presses 1 after 3 s', [{ keys: '1', afterMs: 3000 }]),
  '265': saying('a voicemail: a word, 1.5 s of silence, a short greeting, a beep, and records', [
    ...[pause(400), NAME, pause(1500), SHORT_GREETING],
    ...[pause(300), BEEP],
  ]),
  '266': saying('a voicemail: information tones after 1.5 s, a short greeting, a beep, and records', [
    ...[pause(1500), ...INFORMATION_TONES, pause(300), SHORT_GREETING],
    ...[pause(300), BEEP],
  ]),
  '302': {
    what: 'redirects to another host',
    provisionals: [],
    final: { afterMs: 50, status: 302, headers: [['Contact', '<sip:elsewhere@192.0.2.1>']] },
  },
  '401': {
    what: '401 with SHA-256, then answers',
    challenge: { status: 401, algorithm: 'SHA-256' },
    provisionals: [RING],
    final: answers(300),
  },
  '407': {
    what: '407 with MD5, then answers',
    challenge: { status: 407, algorithm: 'MD5' },
    provisionals: [RING],
    final: answers(300),
  },
  '487': {
    what: 'rings; a CANCEL crosses its 200',
    provisionals: [RING],
    final: 'never',
    crossesCancel: true,
  },
  '503': {
    what: '503 with Retry-After',
    provisionals: [],
    final: { afterMs: 20, status: 503, headers: [['Retry-After', '5']] },
  },
  '693': {
    what: '603 "Network Blocked" with a redress contact',
    provisionals: [],
    final: {
      afterMs: 50,
      status: 603,
      reason: 'Network Blocked',
      headers: [
        ['Reason', 'Q.850;cause=21;text="v=analytics1;url=https://redress.example;tel=+12025550100"'],
      ],
    },
  },
};

const BY_A_PERSON: Behaviour = {
  what: 'rings until somebody answers it on the page',
  provisionals: [RING],
  final: 'never',
};

/** The behaviour of a number; any that is not listed answers. */
export function behaviourOf(number: string): Behaviour {
  const suffix = number.replace(/\D/g, '').slice(-3);
  const listed = BY_SUFFIX[suffix];
  if (listed !== undefined) return listed;
  const value = Number(suffix);
  if (value > 200 && value < 210) {
    const seconds = value - 200;
    return { what: `rings ${seconds} s and answers`, provisionals: [RING], final: answers(seconds * 1000) };
  }
  if (value >= 230 && value < 240) {
    const keys = String(value - 230);
    return pressing(`answers and presses ${keys}`, [{ keys, afterMs: 1000 }]);
  }
  if (value >= 300 && value < 700) {
    const q850 = CAUSES[value];
    const headers = q850 === undefined ? [] : ([['Reason', `Q.850;cause=${q850}`]] as const);
    // A phone that is busy or declines has rung its network first; other refusals come at once.
    const provisionals = value === 603 ? [RING] : [];
    return {
      what: `answers ${value}`,
      provisionals,
      final: { afterMs: value === 603 ? 300 : 50, status: value, headers },
    };
  }
  if (value >= 700 && value < 710) return BY_A_PERSON;
  return BY_SUFFIX['200'] as Behaviour;
}

/** What a text message gets. */
export type TextAnswer = Exclude<Behaviour['final'], 'never'>;

/**
 * What a text message to a number gets: the refusal that a call would get, 202 where its digits say so, and 200 from any
 * other phone, whatever it does with calls. Numbers that only try a call stay silent.
 */
export function textAnswerOf(number: string, { silent, final }: Behaviour): TextAnswer | 'silent' {
  const suffix = number.replace(/\D/g, '').slice(-3);
  if (silent === true || suffix === '100') return 'silent';
  if (suffix === '202') return { afterMs: 0, status: 202 };
  return final !== 'never' && final.status >= 300 ? final : { afterMs: 0, status: 200 };
}

/** Suffix and meaning, for people. */
export function listBehaviours(): (readonly [suffix: string, what: string])[] {
  const listed = Object.entries(BY_SUFFIX).map(([suffix, { what }]) => [suffix, what] as const);
  return [
    ...listed,
    ['201–209', 'rings 1–9 s and answers'] as const,
    ['230–239', 'answers and presses the key 0–9'] as const,
    ['700–709', BY_A_PERSON.what] as const,
    ['3xx–6xx', 'any other: answers with this status (486 busy, 404, 480, 603 …)'] as const,
  ].sort(([a], [b]) => (a < b ? -1 : 1));
}
