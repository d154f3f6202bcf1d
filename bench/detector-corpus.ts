import {
  babble,
  car,
  Dice,
  music,
  noise,
  received,
  smaller,
  street,
  Track,
  tones,
} from './detector-sound.ts';
import {
  CARRIER,
  GREETING,
  HELLO,
  INSISTING,
  type Lines,
  LONG_SENTENCE,
  NAME,
  OPENING,
  QUESTION,
  SENTENCE,
  SHORT_GREETING,
  TELEVISION,
} from './detector-texts.ts';
import type { VoiceSet, Voices } from './detector-voices.ts';

/** One call, from the answer on. */
export interface Example {
  readonly kind: 'person' | 'machine';
  readonly scene: string;
  readonly audio: Int16Array;
  /** When the first sound begins that does not belong to the line; Infinity where there is none. */
  readonly startsAtMs: number;
  /** When each beep ends; after the last one a message can be spoken. */
  readonly beepsEndAtMs: readonly number[];
}

type Background = 'noise' | 'street' | 'car' | 'babble' | 'music' | 'television';

/** What one example is made with. */
class Stage {
  readonly track = new Track();
  readonly dice: Dice;
  readonly #voices: Voices;
  readonly #set: VoiceSet;
  readonly #voice: number;
  readonly #index: number;
  /** To -20 dBFS: people speak louder and softer, -35 to -10, faster and slower. */
  readonly #gainDb: number;
  readonly #speed: number;
  /** Where the next sound goes. */
  atMs: number;
  startsAtMs = Infinity;
  readonly beepsEndAtMs: number[] = [];
  /** Noise of the room below the voice, dB; Infinity for none. */
  noiseDb: number;
  size = 1;

  constructor(voices: Voices, set: VoiceSet, dice: Dice, index: number) {
    this.#voices = voices;
    this.#set = set;
    this.dice = dice;
    this.#index = index;
    this.#voice = dice.share();
    this.#gainDb = dice.between(-15, 10);
    this.#speed = dice.between(0.9, 1.35);
    this.atMs = dice.between(150, 1300);
    this.noiseDb = dice.share() < 0.2 ? Infinity : dice.between(20, 40);
  }

  pause(lowestMs: number, highestMs: number): void {
    this.atMs += this.dice.between(lowestMs, highestMs);
  }

  /** Each example of a scene says another line, as long as there are any. */
  async say(
    lines: Lines,
    options: { readonly speed?: number; readonly gainDb?: number } = {},
  ): Promise<void> {
    const own = lines[this.#set];
    const line = own[this.#index % own.length];
    if (line === undefined) throw new RangeError('nothing to say');
    const said = await this.#voices.say(line, this.#set, this.#voice, options.speed ?? this.#speed);
    this.sound(this.size === 1 ? said : smaller(said, this.size), this.#gainDb + (options.gainDb ?? 0));
  }

  sound(samples: Int16Array, gainDb = 0): void {
    this.startsAtMs = Math.min(this.startsAtMs, this.atMs);
    this.atMs = this.track.put(this.atMs, samples, gainDb);
  }

  /** After it, a message can be spoken. */
  beep(shortestMs = 200, longestMs = 1000): void {
    const hz = this.dice.one([440, 500, 620, 800, 950, 1000, 1047, 1200, 1400, 1850]);
    this.sound(tones([hz], this.dice.between(shortestMs, longestMs), this.dice.between(-26, -10)));
    this.beepsEndAtMs.push(this.atMs);
  }

  /** As the exchange of whoever is rung further on sounds. */
  ring(): void {
    const [frequencies, ms] = this.dice.one<readonly [readonly number[], number]>([
      [[425], 1000],
      [[440, 480], 2000],
      [[400, 450], 400],
    ]);
    for (let times = 0; times < 1 + Math.floor(2 * this.dice.share()); times++) {
      this.sound(tones(frequencies, ms, -20));
      this.pause(1500, 2500);
    }
  }

  async behind(what: Background, belowDb: number): Promise<void> {
    const gainDb = this.#gainDb - belowDb;
    if (what === 'noise') return this.track.fill(noise(5000, this.dice, this.dice.share() < 0.5), gainDb);
    if (what === 'street') return this.track.fill(street(16_000, this.dice), gainDb);
    if (what === 'car') return this.track.fill(car(16_000, this.dice), gainDb);
    if (what === 'music') return this.track.fill(music(16_000, this.dice), gainDb);
    const lines = TELEVISION[this.#set];
    if (what === 'babble') {
      const all = [...lines, ...GREETING[this.#set]].slice(0, 6);
      const said = all.map((line, i) => this.#voices.say(line, this.#set, i / all.length, 1));
      return this.track.fill(babble(await Promise.all(said), 16_000), gainDb);
    }
    const line = this.dice.one(lines);
    this.track.fill(await this.#voices.say(line, this.#set, this.dice.share(), 1), gainDb);
  }
}

type Scene = (stage: Stage) => void | Promise<void>;

const PERSONS: Readonly<Record<string, Scene>> = {
  'one word': (stage) => stage.say(HELLO),
  'one word at once': (stage) => {
    stage.atMs = 0;
    return stage.say(HELLO);
  },
  'one word late': (stage) => {
    stage.pause(1500, 3500);
    return stage.say(HELLO);
  },
  'a name': (stage) => stage.say(NAME),
  'a question': (stage) => stage.say(QUESTION),
  'a long sentence': (stage) => stage.say(SENTENCE),
  'a very long sentence': (stage) => stage.say(LONG_SENTENCE),
  'rung further on, one word': async (stage) => {
    stage.ring();
    await stage.say(HELLO);
  },
  'music first, one word': async (stage) => {
    stage.sound(music(stage.dice.between(1500, 4000), stage.dice), -6);
    stage.pause(100, 600);
    await stage.say(HELLO);
  },
  'a word twice': async (stage) => {
    await stage.say(HELLO);
    stage.pause(600, 1500);
    await stage.say(HELLO);
  },
  'goes on asking': async (stage) => {
    await stage.say(HELLO);
    stage.pause(1100, 1800);
    await stage.say(INSISTING);
    stage.pause(1100, 2500);
    await stage.say(HELLO);
  },
  'a child': (stage) => {
    stage.size = stage.dice.between(1.25, 1.45);
    return stage.say(HELLO);
  },
  'a click first': async (stage) => {
    stage.sound(noise(stage.dice.between(15, 60), stage.dice, true), 6);
    stage.pause(300, 900);
    await stage.say(HELLO);
  },
  'presses a key': async (stage) => {
    await stage.say(HELLO);
    stage.pause(1000, 2500);
    stage.sound(
      tones(
        stage.dice.one([
          [697, 1209],
          [770, 1336],
          [941, 1477],
        ]),
        180,
        -14,
      ),
    );
  },
  'in noise': async (stage) => {
    await stage.say(HELLO);
    await stage.behind('noise', stage.dice.between(6, 14));
  },
  'in the street': async (stage) => {
    await stage.say(HELLO);
    await stage.behind('street', stage.dice.between(6, 14));
  },
  'in a car': async (stage) => {
    await stage.say(HELLO);
    await stage.behind('car', stage.dice.between(4, 12));
  },
  'among people': async (stage) => {
    await stage.say(HELLO);
    await stage.behind('babble', stage.dice.between(10, 18));
  },
  'with music': async (stage) => {
    await stage.say(HELLO);
    await stage.behind('music', stage.dice.between(12, 22));
  },
  'television on': async (stage) => {
    await stage.say(HELLO);
    await stage.behind('television', stage.dice.between(14, 24));
  },
  'says nothing': () => {},
  'says nothing, television on': (stage) => stage.behind('television', stage.dice.between(12, 24)),
};

const MACHINES: Readonly<Record<string, Scene>> = {
  'greeting, beep': async (stage) => {
    await stage.say(GREETING);
    stage.pause(200, 1200);
    stage.beep();
  },
  'greeting, short beep': async (stage) => {
    await stage.say(GREETING);
    stage.pause(200, 1200);
    stage.beep(120, 200);
  },
  'greeting, late beep': async (stage) => {
    await stage.say(GREETING);
    stage.pause(1500, 3000);
    stage.beep();
  },
  'greeting, no beep': (stage) => stage.say(GREETING),
  'slow greeting, beep': async (stage) => {
    await stage.say(GREETING, { speed: 0.75 });
    stage.pause(300, 900);
    stage.beep();
  },
  'short greeting, beep': async (stage) => {
    await stage.say(SHORT_GREETING);
    stage.pause(200, 900);
    stage.beep();
  },
  'short greeting, no beep': (stage) => stage.say(SHORT_GREETING),
  'pause below a second': async (stage) => {
    await stage.say(OPENING);
    stage.pause(450, 900);
    await stage.say(GREETING);
    stage.pause(300, 900);
    stage.beep();
  },
  'pause above a second': async (stage) => {
    await stage.say(OPENING);
    stage.pause(1100, 1700);
    await stage.say(GREETING);
    stage.pause(300, 900);
    stage.beep();
  },
  'no greeting, beep': (stage) => {
    stage.pause(300, 2000);
    stage.beep();
  },
  'greeting in noise, beep': async (stage) => {
    await stage.say(GREETING);
    stage.pause(300, 900);
    stage.beep();
    await stage.behind('noise', stage.dice.between(10, 18));
  },
  'greeting in the street, beep': async (stage) => {
    await stage.say(GREETING);
    stage.pause(300, 900);
    stage.beep();
    await stage.behind('street', stage.dice.between(10, 18));
  },
  'two beeps': async (stage) => {
    await stage.say(GREETING);
    stage.pause(200, 900);
    stage.beep(150, 300);
    stage.pause(250, 500);
    stage.beep(150, 300);
  },
  'music first, greeting, beep': async (stage) => {
    stage.sound(music(stage.dice.between(1500, 4000), stage.dice), -6);
    stage.pause(100, 600);
    await stage.say(GREETING);
    stage.pause(300, 900);
    stage.beep();
  },
  'greeting over music, beep': async (stage) => {
    const beginsAtMs = stage.atMs;
    await stage.say(GREETING);
    stage.track.put(beginsAtMs, music(stage.atMs - beginsAtMs, stage.dice), -14);
    stage.pause(300, 900);
    stage.beep();
  },
  'rings first, greeting, beep': async (stage) => {
    stage.ring();
    await stage.say(GREETING);
    stage.pause(300, 900);
    stage.beep();
  },
  'announcement of a carrier': async (stage) => {
    await stage.say(CARRIER);
    stage.pause(700, 1500);
    await stage.say(CARRIER);
  },
  'information tones': async (stage) => {
    for (const hz of [950, 1400, 1800]) stage.sound(tones([hz], 330, -18));
    stage.pause(100, 500);
    await stage.say(CARRIER);
  },
  'engaged tone': (stage) => {
    const frequencies = stage.dice.one([[425], [480, 620], [400]]);
    for (let times = 0; times < 10; times++) {
      stage.sound(tones(frequencies, 500, -20));
      stage.atMs += 500;
    }
  },
};

/** How many scenes there are. */
export const SCENES = Object.keys(PERSONS).length + Object.keys(MACHINES).length;

/** All examples of a set, `perScene` of each scene, the same ones every time. */
export async function* corpus(voices: Voices, set: VoiceSet, perScene: number): AsyncGenerator<Example> {
  for (const [kind, scenes] of [
    ['person', PERSONS],
    ['machine', MACHINES],
  ] as const) {
    for (const [scene, play] of Object.entries(scenes)) {
      for (let index = 0; index < perScene; index++) {
        const dice = new Dice(`${set} ${scene} ${index}`);
        const stage = new Stage(voices, set, dice, index);
        await play(stage);
        stage.track.finish();
        if (stage.noiseDb !== Infinity)
          await stage.behind(dice.one(['noise', 'babble', 'street', 'car']), stage.noiseDb);
        const loss = dice.share() < 0.4 ? 0 : dice.between(0, 0.05);
        const audio = received(stage.track.samples(), loss, dice.one(['PCMU', 'PCMU', 'PCMA']), dice);
        const { startsAtMs, beepsEndAtMs } = stage;
        yield { kind, scene, audio, startsAtMs, beepsEndAtMs };
      }
    }
  }
}
