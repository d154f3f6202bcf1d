import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLIP_NAMES, type ClipName } from '../prompt/sound-set.ts';

/** The bytes of the WAV files of a set, by clip. */
export type SetFiles = ReadonlyMap<ClipName, Uint8Array>;

/** The clips that lie in the folder of a set; none where there is no such folder. */
export async function clipsInFolder(folder: string): Promise<readonly ClipName[]> {
  const files = await readdir(folder).catch((): string[] => []);
  return CLIP_NAMES.filter((name) => files.includes(`${name}.wav`));
}

export async function readSetFiles(folder: string, names: readonly ClipName[]): Promise<SetFiles> {
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await readFile(join(folder, `${name}.wav`))] as const),
    ),
  );
}

/**
 * Writes a set in the place of what is there. All of it is written beside it first, in a hidden folder that nobody
 * reads; what was there is put back where the new one cannot take its place.
 */
export async function writeSetFolder(
  into: string,
  locale: string,
  voice: string,
  files: SetFiles,
): Promise<void> {
  const parent = join(into, locale);
  const target = join(parent, voice);
  const suffix = randomBytes(6).toString('hex');
  const written = join(parent, `.${voice}-${suffix}`);
  const former = join(parent, `.${voice}-former-${suffix}`);
  try {
    await mkdir(written, { recursive: true });
    for (const [name, bytes] of files) await writeFile(join(written, `${name}.wav`), bytes, { flush: true });
    const had = await moved(target, former);
    try {
      await rename(written, target);
    } catch (error) {
      if (had) await rename(former, target);
      throw error;
    }
    await rm(former, { recursive: true, force: true });
  } finally {
    await rm(written, { recursive: true, force: true });
  }
}

async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
