/** Audio of one call of `push`. */
const FRAME_MS = 10;
/** What the line sounds like is known only after this; then it is judged from its beginning. */
const LEARNING_MS = 300;
/** The floor is the quietest of the last 1.6 s: syllables leave gaps more often, and noise that sets in is known soon. */
const FLOOR_BLOCK_MS = 200;
const FLOOR_BLOCKS = 8;
/** Of digital silence. */
const QUIET_DBFS = -70;
/** For the first 1.6 s no line is taken to be noisier: whoever speaks from the first moment leaves nothing to compare with. */
const EARLY_DBFS = -36;
/** Voice begins this much above the floor, and ends this much below where it begins. */
const ABOVE_FLOOR_DB = 12;
const HYSTERESIS_DB = 4;
/** Who is this much softer than who spoke before is somebody else in the room; it comes back 1 dB a second. */
const BELOW_VOICE_DB = 18;
/** The same for who is to be the one who spoke before. */
const SAME_VOICE_DB = 15;
const VOICE_DECAY_DB = FRAME_MS / 1000;
/** Longer than a click. */
const ONSET_MS = 40;
/** A pause for a consonant or a lost packet is part of the word. */
const HANGOVER_MS = 120;
/** What keeps its level for so long, within so much, is noise that has set in: no voice does. */
const STEADY_MS = 600;
const STEADY_FRAMES = STEADY_MS / FRAME_MS;
const STEADY_DB = 5;
/** It may take so long to get there. */
const RISE_MS = 300;
/** Digital silence for this long is what the line sounds like; for a shorter time it is a lost packet. */
const STILL_MS = 100;

/** Tells voice from what a line sounds like all the time, frame by frame of 10 ms. */
export class VoiceActivity {
  readonly #softest: number;
  #learning: number[] | undefined = [];
  readonly #floors = new Float64Array(FLOOR_BLOCKS).fill(EARLY_DBFS);
  #block = 0;
  #blockMs = 0;
  #stillMs = 0;
  /** Running mean of the levels, over about three frames. */
  #smooth: number | undefined;
  #voiceDbfs = -Infinity;
  #belowVoiceDb = BELOW_VOICE_DB;
  /** Frames above the threshold without a gap. */
  #onsetMs = 0;
  #speaking = false;
  #talkMs = 0;
  /** Of the piece of voice that goes on. */
  #burstMs = 0;
  #quietMs = 0;
  /** The last levels, round and round. */
  readonly #recent = new Float64Array(STEADY_FRAMES).fill(-Infinity);
  #recentAt = 0;

  /** @param softestDbfs what is softer is never voice */
  constructor(softestDbfs: number) {
    this.#softest = softestDbfs;
  }

  get speaking(): boolean {
    return this.#speaking;
  }

  /** Voice since the beginning or since `forget`, pauses of less than 120 ms included. */
  get talkMs(): number {
    return this.#talkMs;
  }

  /** Time since the last voice, the beginning, or `forget`. */
  get quietMs(): number {
    return this.#quietMs;
  }

  /** Begins anew with what was said; what the line sounds like stays known. */
  forget(): void {
    this.#talkMs = 0;
    this.#burstMs = 0;
    this.#quietMs = 0;
    this.#onsetMs = 0;
    this.#speaking = false;
  }

  /** From now on only who is about as loud as the voice before is one. */
  keepToVoice(): void {
    this.#belowVoiceDb = SAME_VOICE_DB;
  }

  /**
   * @param levelDbfs of the frame, -Infinity for digital silence
   * @param tone whether it is a tone, which is neither voice nor what the line sounds like
   */
  push(levelDbfs: number, tone: boolean): void {
    if (!tone) this.#learnFloor(levelDbfs);
    const level = tone ? -Infinity : levelDbfs;
    if (this.#learning === undefined) return this.#step(level);
    this.#learning.push(level);
    if (this.#learning.length * FRAME_MS < LEARNING_MS) return;
    const levels = this.#learning;
    this.#learning = undefined;
    for (const early of levels) this.#step(early);
  }

  #learnFloor(level: number): void {
    this.#stillMs = level === -Infinity ? this.#stillMs + FRAME_MS : 0;
    if (this.#stillMs > 0 && this.#stillMs < STILL_MS) return;
    const heard = Math.max(level, QUIET_DBFS);
    const smooth = this.#smooth === undefined ? heard : this.#smooth + (heard - this.#smooth) / 3;
    this.#smooth = smooth;
    this.#floors[this.#block] = Math.min(this.#floors[this.#block] ?? Infinity, smooth);
    this.#watchSteady(smooth);
    this.#blockMs += FRAME_MS;
    if (this.#blockMs < FLOOR_BLOCK_MS) return;
    this.#blockMs = 0;
    this.#block = (this.#block + 1) % FLOOR_BLOCKS;
    this.#floors[this.#block] = Infinity;
  }

  get #threshold(): number {
    let floor = Infinity;
    for (const block of this.#floors) floor = Math.min(floor, block);
    return Math.max(this.#softest, floor + ABOVE_FLOOR_DB, this.#voiceDbfs - this.#belowVoiceDb);
  }

  /** Noise that sets in is what the line sounds like from now on, and what was taken for voice was none. */
  #watchSteady(level: number): void {
    this.#recent[this.#recentAt] = level;
    this.#recentAt = (this.#recentAt + 1) % STEADY_FRAMES;
    if (!this.#speaking) return;
    let lowest = Infinity;
    let highest = -Infinity;
    for (const recent of this.#recent) {
      lowest = Math.min(lowest, recent);
      highest = Math.max(highest, recent);
    }
    if (highest - lowest > STEADY_DB) return;
    this.#floors.fill(lowest);
    this.#talkMs -= this.#burstMs - STEADY_MS <= RISE_MS ? this.#burstMs : STEADY_MS;
    this.#burstMs = 0;
    this.#quietMs = STEADY_MS;
    this.#speaking = false;
    this.#onsetMs = 0;
  }

  #step(level: number): void {
    const loud = level >= this.#threshold - (this.#speaking ? HYSTERESIS_DB : 0);
    this.#onsetMs = loud ? this.#onsetMs + FRAME_MS : 0;
    this.#voiceDbfs -= VOICE_DECAY_DB;
    if (this.#speaking && loud) {
      this.#count(this.#quietMs + FRAME_MS);
      this.#voiceDbfs = Math.max(this.#voiceDbfs, level);
      return;
    }
    this.#quietMs += FRAME_MS;
    if (this.#onsetMs >= ONSET_MS) {
      this.#speaking = true;
      this.#burstMs = 0;
      this.#count(this.#onsetMs);
    } else if (this.#quietMs >= HANGOVER_MS) {
      this.#speaking = false;
    }
  }

  #count(ms: number): void {
    this.#talkMs += ms;
    this.#burstMs += ms;
    this.#quietMs = 0;
  }
}
