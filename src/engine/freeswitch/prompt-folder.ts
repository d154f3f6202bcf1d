import { joined, type Speech, speechMs } from '../../media/speech.ts';
import { formatWav } from '../../media/wav.ts';
import { reasonOf, SharedFolder, type SharedFolderOptions } from './shared-folder.ts';

export interface PromptFolderOptions
  extends Pick<SharedFolderOptions, 'folder' | 'maxAgeMs' | 'onFault' | 'instance' | 'pid'> {
  /** Mode 0640 instead of 0600, for a FreeSWITCH that runs as another user of the same group. */
  readonly groupReadable: boolean;
}

/** What is to be heard in one call, as a file. */
export interface PromptFile {
  /** `otp-<instance>-<pid>-<random>.wav`; it says nothing of what the file holds. */
  readonly name: string;
  /** Absolute, as this process sees it. */
  readonly path: string;
  readonly durationMs: number;
  /** Never rejects, and may be called again. */
  remove(): Promise<void>;
}

/** The folder that FreeSWITCH reads prompts from, best a tmpfs. A file is there from `write` to its `remove`. */
export class PromptFolder {
  readonly #folder: SharedFolder;

  constructor({ groupReadable, ...options }: PromptFolderOptions) {
    const groupMode = groupReadable ? 0o640 : undefined;
    this.#folder = new SharedFolder({ ...options, extension: 'wav', groupMode });
  }

  /** Makes the folder ready and sweeps it. Rejects where nothing can be written there. */
  async open(): Promise<void> {
    try {
      await this.#folder.open();
    } catch (error) {
      throw this.#complaint('prompts cannot', error);
    }
  }

  /**
   * Writes a 16-bit mono WAV file, complete when this resolves. A folder that was removed is made again.
   * Rejects with an Error for people, and nothing is left of the file.
   */
  async write(speech: Speech): Promise<PromptFile> {
    try {
      const folder = this.#folder;
      const name = await folder.create(formatWav(joined(speech)));
      const path = folder.pathOf(name);
      return { name, path, durationMs: speechMs(speech), remove: () => folder.remove(name) };
    } catch (error) {
      throw this.#complaint('a prompt cannot', error);
    }
  }

  /** Removes a prompt of a process that is gone; nothing else of that name. Never rejects. */
  async removeLeft(name: string): Promise<void> {
    if (this.#folder.names(name)) await this.#folder.remove(name);
  }

  /** Files that are written, or being written, and not removed. */
  held(): number {
    return this.#folder.held();
  }

  /** Removes what was left behind. Never rejects. */
  sweep(nowMs?: number): Promise<void> {
    return this.#folder.sweep(nowMs);
  }

  #complaint(what: string, error: unknown): Error {
    return new Error(`${what} be written to ${this.#folder.path}: ${reasonOf(error)}`, { cause: error });
  }
}
