import { type Tone, ToneDetector } from './tone-detector.ts';
import { VoiceActivity } from './voice-activity.ts';

/** Who answered; `unknown` as long as that is not decided, and where it cannot be. */
export type AnswerVerdict = 'human' | 'machine' | 'unknown';

/**
 * What a verdict is founded on. human: `short_greeting`. machine: `long_greeting`, `beep`, `exchange_tone` (engaged,
 * dialling, special information). unknown: `unclear` (too long a greeting for a person and too short for a machine, or
 * voice to the end of the time), and `silence` (no voice until then).
 */
export type AnswerReason =
  | 'short_greeting'
  | 'long_greeting'
  | 'beep'
  | 'exchange_tone'
  | 'silence'
  | 'unclear';

/** What is new since the push before; times are of audio since the answer. */
export type AnswerFinding =
  | {
      readonly type: 'verdict';
      readonly verdict: AnswerVerdict;
      readonly reason: AnswerReason;
      readonly atMs: number;
    }
  /** A beep, after which nothing came: it ended at `atMs`. Where it changes the verdict, that comes first. */
  | { readonly type: 'tone_ended'; readonly atMs: number };

/** docs/detector.md explains each. */
export interface AnswerDetectorOptions {
  /** Sound softer than this is neither voice nor tone; dB below full scale, -90–0. */
  readonly softestDbfs: number;
  /** Less voice than this is a click or a cough. */
  readonly leastTalkMs: number;
  /** A person says at most so much and then waits … */
  readonly humanTalkMs: number;
  /** … for at least so long. */
  readonly humanQuietMs: number;
  /** Who says more than that, up to this, … */
  readonly longTalkMs: number;
  /** … has to wait for so long. Who says still more and then waits so long is `unknown`. */
  readonly longQuietMs: number;
  /** A machine's greeting is at least so much voice without such a wait. */
  readonly machineTalkMs: number;
  /** While we speak ourselves, and a little longer, what is softer than this is taken for our echo; -90–0. */
  readonly echoDbfs: number;
  /** A beep lies between these frequencies, Hz, 200–3800 … */
  readonly beepLowestHz: number;
  readonly beepHighestHz: number;
  /** … has a length between these … */
  readonly beepShortestMs: number;
  readonly beepLongestMs: number;
  /** … and is followed by so much of neither voice nor tone. */
  readonly beepQuietMs: number;
  /** When there is no verdict by then, it is `unknown`. Beeps are found later too. */
  readonly maximumMs: number;
}

export const ANSWER_DETECTOR_DEFAULTS: AnswerDetectorOptions = {
  softestDbfs: -42,
  leastTalkMs: 80,
  humanTalkMs: 1800,
  humanQuietMs: 1000,
  longTalkMs: 2800,
  longQuietMs: 2000,
  machineTalkMs: 4000,
  echoDbfs: -28,
  beepLowestHz: 300,
  beepHighestHz: 2200,
  beepShortestMs: 100,
  beepLongestMs: 3000,
  beepQuietMs: 200,
  maximumMs: 10_000,
};

/** 10 ms at 8000 Hz. */
const FRAME = 80;
const FRAME_MS = 10;
const FULL_SCALE = 32_768;
/** Samples that differ by no more are digital silence: the quietest steps of A-law are 8 on either side of zero. */
const STILL_STEPS = 16;
/** An echo comes back after this long at most, over two mobile networks. */
const ECHO_MS = 500;
/** One gap counts as no more than this: what a far end claims of its packets may cost no more time than that. */
const LONGEST_GAP_MS = 10_000;
const SAMPLES_A_MS = 8;
const STILL = new Int16Array(SAMPLES_A_MS * LONGEST_GAP_MS);
const NOTHING: readonly AnswerFinding[] = [];
/** A filter that fades away below this is at rest: numbers close to zero are slow to reckon with. */
const AT_REST = 1e-6;
/** Pole of the filter that takes away a constant and hum below about 60 Hz. */
const POLE = 0.95;
/** Single tones in which exchanges ring, Hz (ITU-T E.180): before any voice they are no beep. */
const EXCHANGE_HZ = { lowest: 390, highest: 460 };
/** A ringing tone is longer, in the countries where it is one; an engaged tone comes this often, with gaps no longer. */
const ENGAGED_MS = 750;
const ENGAGED_TIMES = 3;
/** Special information tones (ITU-T E.180): 950, 1400 and 1800 Hz one after the other, each ±50 Hz, of 330 ±70 ms. */
const INFORMATION_HZ = [950, 1400, 1800];
const INFORMATION_OFF_HZ = 60;
const INFORMATION_MS = { shortest: 150, longest: 450, gap: 100 };

/**
 * Tells a person from a voicemail by what is heard after the answer, by the length of the greeting, the silence
 * after it, and tones. Only the audio counts: no clock, and the same result however it is cut into pieces. What it
 * remembers does not grow.
 */
export class AnswerDetector {
  readonly #options: AnswerDetectorOptions;
  readonly #tones = new ToneDetector();
  readonly #voice: VoiceActivity;
  readonly #frame = new Int16Array(FRAME);
  readonly #filtered = new Float64Array(FRAME);
  #filled = 0;
  #before: number | undefined;
  #filter = 0;
  #heardMs = 0;
  #verdict: AnswerVerdict = 'unknown';
  #reason: AnswerReason | undefined;
  #decidedAtMs: number | undefined;
  #spoken = false;
  #lastTone: Tone | undefined;
  #engagedTimes = 0;
  /** A tone that is a beep if nothing follows. */
  #beep: Tone | undefined;
  #toneEndedAtMs: number | undefined;
  #echoUntilMs = 0;
  #found: AnswerFinding[] | undefined;

  /** @throws RangeError for an option out of its range, or out of order with another one */
  constructor(options: Partial<AnswerDetectorOptions> = {}) {
    this.#options = { ...ANSWER_DETECTOR_DEFAULTS, ...options };
    checkOptions(this.#options);
    this.#voice = new VoiceActivity(this.#options.softestDbfs);
  }

  /** Until `done`, `unknown` can still become `human`, and both `machine`. */
  get verdict(): AnswerVerdict {
    return this.#verdict;
  }

  /** Undefined as long as there is no verdict. */
  get reason(): AnswerReason | undefined {
    return this.#reason;
  }

  /** When the verdict as it is now was reached, ms of audio since the answer; undefined before. */
  get decidedAtMs(): number | undefined {
    return this.#decidedAtMs;
  }

  /** Whether the verdict is the last one. */
  get done(): boolean {
    return this.#verdict === 'machine' || this.#heardMs >= this.#options.maximumMs;
  }

  /** End of the last beep after which nothing came, ms of audio since the answer: now a message can be spoken. */
  get toneEndedAtMs(): number | undefined {
    return this.#toneEndedAtMs;
  }

  /** Whether a voice is heard now. */
  get speaking(): boolean {
    return this.#voice.speaking;
  }

  /** Time without voice and without a tone until now, ms. */
  get quietMs(): number {
    const tone = this.#tones.current ?? this.#lastTone;
    return Math.min(this.#voice.quietMs, this.#heardMs - (tone?.endedAtMs ?? 0));
  }

  /** Audio so far, ms, in whole frames of 10 ms. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /**
   * Takes what was received next: any number of samples at 8000 Hz. They are not kept.
   *
   * @param sending whether we speak ourselves meanwhile, so that our echo may be among it
   * @returns what is new, in the order in which it was found; mostly nothing
   */
  push(samples: Int16Array, sending = false): readonly AnswerFinding[] {
    this.#found = undefined;
    for (let at = 0; at < samples.length; ) {
      const piece = samples.subarray(at, at + FRAME - this.#filled);
      this.#frame.set(piece, this.#filled);
      at += piece.length;
      this.#filled += piece.length;
      if (this.#filled < FRAME) break;
      this.#filled = 0;
      this.#take(sending);
    }
    return this.#found ?? NOTHING;
  }

  /**
   * Takes time in which nothing was received: lost packets, or those that the far end does not send while it is
   * silent. A short gap is part of what goes on around it, a long one is silence.
   *
   * @param ms more than 10 s count as 10 s, less than nothing as nothing
   * @returns as `push`
   */
  pushGap(ms: number, sending = false): readonly AnswerFinding[] {
    const length = Math.floor(Math.min(ms, LONGEST_GAP_MS) * SAMPLES_A_MS);
    return length > 0 ? this.push(STILL.subarray(0, length), sending) : NOTHING;
  }

  #take(sending: boolean): void {
    this.#heardMs += FRAME_MS;
    if (sending) this.#echoUntilMs = this.#heardMs + ECHO_MS;
    const level = this.#level();
    const tone = this.#tones.push(this.#filtered, level >= this.#options.softestDbfs);
    const echo = this.#heardMs <= this.#echoUntilMs && level < this.#options.echoDbfs;
    this.#voice.push(level, echo || this.#tones.heard);
    // Noise that sets in is known for what it is before it is no longer taken for a voice.
    this.#spoken ||= this.#hasTalked && !this.#voice.speaking;
    if (tone !== undefined) this.#judge(tone);
    this.#confirmBeep();
    if (!this.done) this.#decide();
    else if (this.#reason === undefined) {
      this.#settle('unknown', this.#spoken || this.#hasTalked ? 'unclear' : 'silence');
    }
  }

  /** Filters the frame and gives its level; -Infinity for digital silence. */
  #level(): number {
    this.#before ??= this.#frame.reduce((sum, sample) => sum + sample, 0) / FRAME;
    let before = this.#before;
    let filter = this.#filter;
    let lowest = Infinity;
    let highest = -Infinity;
    let energy = 0;
    for (let i = 0; i < FRAME; i++) {
      const sample = this.#frame[i] ?? 0;
      lowest = Math.min(lowest, sample);
      highest = Math.max(highest, sample);
      filter = sample - before + POLE * filter;
      before = sample;
      this.#filtered[i] = filter;
      energy += filter * filter;
    }
    this.#before = before;
    this.#filter = Math.abs(filter) < AT_REST ? 0 : filter;
    if (highest - lowest <= STILL_STEPS) return -Infinity;
    return 10 * Math.log10(energy / FRAME / FULL_SCALE ** 2);
  }

  /** A tone is over. */
  #judge(tone: Tone): void {
    const { beepShortestMs, beepLongestMs } = this.#options;
    const lengthMs = lengthOf(tone);
    if (lengthMs < Math.min(beepShortestMs, INFORMATION_MS.shortest)) return;
    const before = this.#lastTone;
    this.#lastTone = tone;
    this.#beep = undefined;
    if (this.#isOfExchange(tone)) {
      this.#countEngaged(tone, before);
      // Who was rung answers now, if anybody does.
      this.#voice.forget();
    } else if (isInformation(tone) && before !== undefined && isInformation(before) && follow(before, tone)) {
      this.#settle('machine', 'exchange_tone');
    } else if (this.#isBeep(tone) && lengthMs >= beepShortestMs && lengthMs <= beepLongestMs) {
      this.#beep = tone;
    }
  }

  #isBeep({ hz = 0 }: Tone): boolean {
    return hz >= this.#options.beepLowestHz && hz <= this.#options.beepHighestHz;
  }

  #isOfExchange({ hz }: Tone): boolean {
    if (hz === undefined) return true;
    return !this.#spoken && hz >= EXCHANGE_HZ.lowest && hz <= EXCHANGE_HZ.highest;
  }

  #countEngaged(tone: Tone, before: Tone | undefined): void {
    const gapMs = tone.startedAtMs - (before?.endedAtMs ?? 0);
    if (lengthOf(tone) > ENGAGED_MS) this.#engagedTimes = 0;
    else this.#engagedTimes = gapMs <= ENGAGED_MS ? this.#engagedTimes + 1 : 1;
    // After a voice it says that somebody has hung up.
    if (this.#engagedTimes >= ENGAGED_TIMES && !this.#spoken) this.#settle('machine', 'exchange_tone');
  }

  #confirmBeep(): void {
    if (this.#beep === undefined) return;
    if (this.#voice.speaking) this.#beep = undefined;
    // Not while any tone has begun, be it ever so short: the line may have cut this one in two.
    else if (
      this.#heardMs - this.#beep.endedAtMs >= this.#options.beepQuietMs &&
      this.#tones.current === undefined
    ) {
      this.#toneEndedAtMs = this.#beep.endedAtMs;
      this.#beep = undefined;
      this.#settle('machine', 'beep');
      this.#tell({ type: 'tone_ended', atMs: this.#toneEndedAtMs });
    }
  }

  get #hasTalked(): boolean {
    return this.#voice.talkMs >= this.#options.leastTalkMs;
  }

  get #toneSounds(): boolean {
    const { current } = this.#tones;
    return current !== undefined && lengthOf(current) >= this.#options.beepShortestMs;
  }

  #decide(): void {
    const { machineTalkMs, humanTalkMs, humanQuietMs, longTalkMs, longQuietMs } = this.#options;
    const { talkMs, quietMs, speaking } = this.#voice;
    const { current } = this.#tones;
    if (talkMs >= machineTalkMs) return this.#settle('machine', 'long_greeting');
    if (current !== undefined && lengthOf(current) > this.#options.beepLongestMs) {
      if (this.#isOfExchange(current)) return this.#settle('machine', 'exchange_tone');
      if (this.#isBeep(current)) return this.#settle('machine', 'beep');
    }
    if (speaking || talkMs === 0 || this.#toneSounds || this.#beep !== undefined) return;
    if (quietMs < (talkMs <= humanTalkMs ? humanQuietMs : longQuietMs)) return;
    if (this.#hasTalked && this.#verdict === 'unknown') {
      if (talkMs <= longTalkMs) {
        this.#settle('human', 'short_greeting');
        // A machine talks on in the same voice; others in the room make none of a person.
        this.#voice.keepToVoice();
      } else if (this.#reason === undefined) this.#settle('unknown', 'unclear');
    }
    this.#voice.forget();
  }

  /** The first verdict, or one in its place that is surer. */
  #settle(verdict: AnswerVerdict, reason: AnswerReason): void {
    if (this.#reason !== undefined && this.done) return;
    this.#verdict = verdict;
    this.#reason = reason;
    this.#decidedAtMs = this.#heardMs;
    this.#tell({ type: 'verdict', verdict, reason, atMs: this.#heardMs });
  }

  #tell(finding: AnswerFinding): void {
    this.#found ??= [];
    this.#found.push(finding);
  }
}

function lengthOf(tone: Tone): number {
  return tone.endedAtMs - tone.startedAtMs;
}

function isInformation(tone: Tone): boolean {
  const { hz } = tone;
  if (hz === undefined) return false;
  const lengthMs = lengthOf(tone);
  if (lengthMs < INFORMATION_MS.shortest || lengthMs > INFORMATION_MS.longest) return false;
  return INFORMATION_HZ.some((nominal) => Math.abs(hz - nominal) <= INFORMATION_OFF_HZ);
}

/** Whether the second is a higher one right after the first. */
function follow(first: Tone, second: Tone): boolean {
  return (
    (second.hz ?? 0) > (first.hz ?? 0) + 2 * INFORMATION_OFF_HZ &&
    second.startedAtMs - first.endedAtMs <= INFORMATION_MS.gap
  );
}

function checkOptions(options: AnswerDetectorOptions): void {
  const check = (key: keyof AnswerDetectorOptions, lowest: number, highest: number): void => {
    if (!(options[key] >= lowest && options[key] <= highest)) {
      throw new RangeError(`${key} is to lie between ${lowest} and ${highest}.`);
    }
  };
  check('softestDbfs', -90, 0);
  check('leastTalkMs', 40, 1000);
  check('humanTalkMs', options.leastTalkMs, 60_000);
  check('longTalkMs', options.humanTalkMs, 60_000);
  check('machineTalkMs', options.longTalkMs, 60_000);
  check('humanQuietMs', 200, 60_000);
  check('longQuietMs', options.humanQuietMs, 60_000);
  check('echoDbfs', -90, 0);
  check('beepLowestHz', 200, 3800);
  check('beepHighestHz', options.beepLowestHz, 3800);
  check('beepShortestMs', 60, 10_000);
  check('beepLongestMs', options.beepShortestMs, 60_000);
  check('beepQuietMs', 100, 10_000);
  check('maximumMs', 1000, 120_000);
}
