import { type FileHandle, open } from 'node:fs/promises';
import { reasonOf, SharedFolder, type SharedFolderOptions } from './shared-folder.ts';

export interface ListenFolderOptions
  extends Pick<SharedFolderOptions, 'folder' | 'maxAgeMs' | 'instance' | 'pid'> {
  /** Mode 0660 instead of 0600, for a FreeSWITCH that runs as another user of the same group. */
  readonly groupWritable: boolean;
  /** That answers cannot be listened to, once; and once when they can be again. */
  readonly onChange: (text: string) => void;
}

/** An empty file that FreeSWITCH is to write to. */
export interface ListenFile {
  readonly name: string;
  /** Absolute, as this process sees it. */
  readonly path: string;
  /** For reading and cutting. */
  readonly handle: FileHandle;
  /** Takes its name away, so that nothing is left on disk when it is closed at both ends. Never rejects. */
  unlink(): Promise<void>;
  /** Never rejects; once. */
  close(): Promise<void>;
}

/**
 * The folder in which FreeSWITCH opens the files that it writes what it hears to, best a tmpfs: a file has its name
 * only until FreeSWITCH has opened it. Trouble here fails no call.
 */
export class ListenFolder {
  readonly #folder: SharedFolder;
  readonly #onChange: (text: string) => void;
  #isTroubled = false;
  #open = 0;

  constructor({ groupWritable, onChange, ...options }: ListenFolderOptions) {
    this.#onChange = onChange;
    this.#folder = new SharedFolder({
      ...options,
      extension: 'r8',
      groupMode: groupWritable ? 0o660 : undefined,
      onFault: (error) => this.troubled(reasonOf(error)),
    });
  }

  /** Makes the folder ready and sweeps it. Never rejects. */
  async open(): Promise<void> {
    try {
      await this.#folder.open();
    } catch (error) {
      this.troubled(`${this.#folder.path}: ${reasonOf(error)}`);
    }
  }

  /** Makes a file of its own. Rejects with an Error for people, and nothing is left of it. */
  async make(): Promise<ListenFile> {
    const folder = this.#folder;
    let name: string | undefined;
    try {
      name = await folder.create(new Uint8Array());
      const path = folder.pathOf(name);
      return this.#fileOf(name, path, await open(path, 'r+'));
    } catch (error) {
      if (name !== undefined) await folder.remove(name);
      throw new Error(`${folder.path}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Files that are open, or have a name. */
  held(): number {
    return Math.max(this.#open, this.#folder.held());
  }

  /** Removes what was left behind. Never rejects. */
  sweep(): Promise<void> {
    return this.#folder.sweep();
  }

  /** Something was heard. */
  heard(): void {
    if (this.#isTroubled) this.#onChange('answers are listened to again');
    this.#isTroubled = false;
  }

  /** Nothing can be heard; told when it was otherwise before. */
  troubled(detail: string): void {
    if (!this.#isTroubled) this.#onChange(`answers cannot be listened to: ${detail}`);
    this.#isTroubled = true;
  }

  #fileOf(name: string, path: string, handle: FileHandle): ListenFile {
    this.#open++;
    const close = async (): Promise<void> => {
      await handle.close().catch((error: unknown) => this.troubled(reasonOf(error)));
      this.#open--;
    };
    return { name, path, handle, unlink: () => this.#folder.remove(name), close };
  }
}
