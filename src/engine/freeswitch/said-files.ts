import type { Speech } from '../../media/speech.ts';
import type { Leg } from '../engine.ts';
import type { Said } from '../leg/leg-speech.ts';
import type { PromptFile, PromptFolder } from './prompt-folder.ts';

const NOTHING: Speech = { sampleRate: 8000, parts: [] };

/** What is to be said in a leg, each in a file of its own. */
export class SaidFiles {
  readonly #files: Readonly<Partial<Record<Said, PromptFile>>>;

  private constructor(files: Readonly<Partial<Record<Said, PromptFile>>>) {
    this.#files = files;
  }

  /** Rejects with an Error, and nothing is left of them. */
  static async write(folder: PromptFolder, { gate, prompt }: Leg): Promise<SaidFiles> {
    const file = await folder.write(prompt ?? NOTHING);
    if (gate === undefined) return new SaidFiles({ prompt: file });
    try {
      return new SaidFiles({ prompt: file, ask: await folder.write(gate.ask) });
    } catch (error) {
      await file.remove();
      throw error;
    }
  }

  /** Undefined for `nothing`, and for what this leg does not say. */
  of(said: Said): PromptFile | undefined {
    return this.#files[said];
  }

  names(): readonly string[] {
    return Object.values(this.#files).map(({ name }) => name);
  }

  async remove(): Promise<void> {
    await Promise.all(Object.values(this.#files).map((file) => file.remove()));
  }
}
