import { copyFile, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { VoiceServer } from '../../../src/lab/voice-server.ts';

const EN_US = join(import.meta.dirname, '../../../sounds/en-US');

/** Any recording. */
const RECORDING = join(EN_US, 'slt', 'goodbye.wav');

/** A folder of sounds in American English, to which clips of one's own can be added. */
export class OwnSounds {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<OwnSounds> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-sounds-'));
    await cp(EN_US, join(folder, 'en-US'), { recursive: true });
    return new OwnSounds(folder);
  }

  /** @param name as playlists name it */
  async add(name: string): Promise<void> {
    await mkdir(dirname(this.#path(name)), { recursive: true });
    await copyFile(RECORDING, this.#path(name));
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(name));
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  #path(name: string): string {
    return join(this.folder, `${name}.wav`);
  }
}

/** A web server that has one recording under all of these names, as `/voices/<name>.wav`. */
export async function serveRecordings(names: readonly string[]): Promise<VoiceServer> {
  const server = new VoiceServer(new Map(names.map((name) => [name, RECORDING])));
  await server.start();
  return server;
}

/** The section `speech` of a configuration that finds the server under a name. */
export function speechFrom(host: string, { port }: VoiceServer) {
  return { urls: { internalHosts: [{ host, address: '127.0.0.1', port }] } };
}
