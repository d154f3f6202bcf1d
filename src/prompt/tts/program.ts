import { createHash, randomBytes } from 'node:crypto';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProgramConfig } from '../../config-tts.ts';
import type { Pcm } from '../../media/pcm.ts';
import type { PromptError } from '../prompt-error.ts';
import type { TtsProvider, Utterance } from '../tts.ts';
import type { EspeakVoices } from './espeak-voices.ts';
import { ExchangeFolder, sweepExchangeFolders } from './exchange-folder.ts';
import { canRun } from './program-environment.ts';
import {
  espeakListing,
  fillArguments,
  formOf,
  namesListing,
  type ProgramForm,
  rateOf,
} from './program-presets.ts';
import { type ProgramEnd, runProgram } from './program-run.ts';
import { speechFromRaw, speechFromWav } from './speech-audio.ts';
import { failed, MAX_WAV_BYTES, noLocale, notAudio, noVoice, stopped, tooLong } from './speech-fault.ts';
import { plainText } from './spoken-text.ts';
import { voiceOf, voicesIn } from './voice-table.ts';

const LIST_MS = 10_000;
const LIST_BYTES = 1_000_000;
const LIST_ARGS = { stdin: '', maxBytes: LIST_BYTES };

interface Run {
  readonly stop: AbortController;
  readonly work: Promise<Pcm>;
}

/**
 * A program that speaks into a WAV, started anew for each text. It gets the text by standard input or in a file
 * that only we can read, never as an argument: arguments are for all users of the machine to see.
 *
 * A `voice` is one that the configuration names, or that the program lists.
 *
 * Where this process is killed, what runs goes on until it has spoken: nothing tells it. What it was given and what
 * it made goes with the next start on this host.
 */
export class ProgramProvider implements TtsProvider {
  readonly id: string;
  readonly fingerprint: string;
  readonly #form: ProgramForm;
  readonly #sampleRate: number | undefined;
  readonly #named: ReadonlySet<string>;
  /** Empty before the start. */
  #locales: ReadonlySet<string> = new Set();
  /** Known after the start, for programs that can tell. */
  #espeak: EspeakVoices | undefined;
  #listed: ReadonlySet<string> = new Set();
  #closed = false;
  readonly #runs = new Set<Run>();

  constructor(config: ProgramConfig) {
    this.id = config.id;
    this.#form = formOf(config);
    this.#sampleRate = config.sampleRate;
    this.#named = voicesIn(this.#form.voices ?? {});
    const { id: _, ...sounding } = { ...config, ...this.#form };
    this.fingerprint = `program ${createHash('sha256').update(JSON.stringify(sounding)).digest('base64url')}`;
  }

  /** Asks the program what it speaks, where it can tell; any other is not started before it has something to say. */
  async start(): Promise<void> {
    const { command, listing, voices } = this.#form;
    await sweepExchangeFolders();
    if (!(await canRun(command))) throw this.#missing();
    if (listing?.kind === 'names') {
      this.#listed = namesListing(await this.#list(listing.names));
      const missing = [...this.#named].find((name) => !name.startsWith('/') && !this.#listed.has(name));
      if (missing !== undefined) throw failed(this.id, `has no voice ${missing}`);
    } else if (listing?.kind === 'espeak') {
      const lists = [await this.#list(listing.voices), await this.#list(listing.variants)] as const;
      this.#espeak = espeakListing(...lists);
      if (voices === undefined && this.#espeak.locales.length === 0) throw failed(this.id, 'lists no voices');
    }
    this.#locales = new Set(voices === undefined ? this.#espeak?.locales : Object.keys(voices).toSorted());
  }

  locales(): readonly string[] {
    return [...this.#locales];
  }

  async synthesize(utterance: Utterance, signal: AbortSignal): Promise<Pcm> {
    if (signal.aborted) throw stopped(this.id, signal);
    if (this.#locales.size === 0 || this.#closed) throw failed(this.id, 'does not run');
    const voice = this.#voiceFor(utterance);
    const stop = new AbortController();
    const run = { stop, work: this.#speak(utterance, voice, stop.signal) };
    this.#runs.add(run);
    // Gives up at once; the program and its files go in their own time, which `close` waits for.
    return new Promise((resolve, reject) => {
      const onAbort = (): void => stop.abort(stopped(this.id, signal));
      const done = (): void => {
        signal.removeEventListener('abort', onAbort);
        this.#runs.delete(run);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      stop.signal.addEventListener('abort', () => reject(stopped(this.id, stop.signal)), { once: true });
      run.work.finally(done).then(resolve, reject);
    });
  }

  /** Ends what is under way, and waits until it is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    const runs = [...this.#runs];
    for (const { stop } of runs) stop.abort(failed(this.id, 'is closed'));
    await Promise.allSettled(runs.map(({ work }) => work));
  }

  #voiceFor({ locale, voice, gender }: Utterance): string {
    if (!this.#locales.has(locale)) throw noLocale(this.id);
    if (voice === undefined) {
      const ofLocale = this.#form.voices?.[locale];
      const chosen =
        ofLocale === undefined ? this.#espeak?.find({ locale, gender }) : voiceOf(ofLocale, gender);
      if (chosen === undefined) throw noLocale(this.id);
      return chosen;
    }
    // A file can be named by the configuration only.
    if (!voice.startsWith('/') && (this.#named.has(voice) || this.#listed.has(voice))) return voice;
    const found = this.#espeak?.find({ locale, voice });
    if (found === undefined) throw noVoice(this.id);
    return found;
  }

  async #speak({ text, locale, speed }: Utterance, voice: string, signal: AbortSignal): Promise<Pcm> {
    const { command, args, input, output, rate } = this.#form;
    const stdin = `${plainText(text)}\n`;
    const folder = await ExchangeFolder.make();
    try {
      const files = {
        input: join(folder.path, randomName('.txt')),
        output: join(folder.path, randomName('.wav')),
      };
      if (input === 'file') await writeFile(files.input, stdin, { mode: 0o600, flag: 'wx' });
      const values = { ...files, voice, locale, rate: rateOf(rate, speed) };
      const end = await runProgram(
        {
          command,
          args: fillArguments(args, values),
          stdin: input === 'stdin' ? stdin : '',
          maxBytes: MAX_WAV_BYTES,
          outputFile: output === 'file' ? files.output : undefined,
        },
        signal,
      );
      this.#check(end, signal);
      return this.#audio(output === 'stdout' ? end.stdout : await this.#readOutput(files.output));
    } finally {
      await folder.remove();
    }
  }

  #audio(bytes: Uint8Array): Pcm {
    if (bytes.length === 0) throw notAudio(this.id, 'gave nothing');
    if (this.#sampleRate === undefined) return speechFromWav(this.id, bytes);
    return speechFromRaw(this.id, bytes, this.#sampleRate);
  }

  /** @throws PromptError */
  #check({ how }: ProgramEnd, signal: AbortSignal): void {
    if (how === 'aborted') throw stopped(this.id, signal);
    if (how === 'not_found') throw this.#missing();
    if (how === 'failed') throw failed(this.id, 'could not be run, or ended with an error');
    if (how === 'too_much') throw tooLong(this.id);
  }

  #missing(): PromptError {
    return failed(this.id, `needs the program ${this.#form.command}, which is not there`);
  }

  async #readOutput(file: string): Promise<Uint8Array> {
    const handle = await open(file, 'r').catch(() => {
      throw notAudio(this.id, 'gave nothing');
    });
    try {
      // One byte more than is allowed, so that a file that is too long is seen to be that.
      const bytes = Buffer.alloc(Math.min((await handle.stat()).size, MAX_WAV_BYTES + 1));
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
      if (bytesRead > MAX_WAV_BYTES) throw tooLong(this.id);
      return bytes.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  }

  async #list(args: readonly string[]): Promise<string> {
    const signal = AbortSignal.timeout(LIST_MS);
    const end = await runProgram({ ...LIST_ARGS, command: this.#form.command, args }, signal);
    this.#check(end, signal);
    return end.stdout.toString();
  }
}

function randomName(suffix: string): string {
  return `${randomBytes(9).toString('base64url')}${suffix}`;
}
