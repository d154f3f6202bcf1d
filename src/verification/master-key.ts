import { constants } from 'node:fs';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MASTER_KEY_BYTES } from './vault.ts';

/**
 * The master key: the 32 bytes of `file`. Where there is no such file, one is made from `randomBytes`,
 * readable by its owner only. It appears under its name complete or not at all, so that two processes that
 * start together get the same key and a crash leaves no half of one.
 *
 * @throws Error where the file has another length, or cannot be read or written
 */
export async function loadMasterKey(
  file: string,
  randomBytes: (n: number) => Uint8Array,
): Promise<Uint8Array> {
  const existing = await readKey(file);
  if (existing !== undefined) {
    return existing;
  }
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeKey(file, randomBytes);
  const written = await readKey(file);
  if (written === undefined) {
    throw new Error(`master key file ${file} vanished while it was being made`);
  }
  return written;
}

async function readKey(file: string): Promise<Uint8Array | undefined> {
  let key: Buffer;
  try {
    key = await readFile(file);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      return undefined;
    }
    throw new Error(`master key file ${file} cannot be read`, { cause: error });
  }
  if (key.length !== MASTER_KEY_BYTES) {
    throw new Error(
      `master key file ${file} has ${key.length} bytes instead of ${MASTER_KEY_BYTES}: restore it, or remove it to give up all pending verifications`,
    );
  }
  return key;
}

async function writeKey(file: string, randomBytes: (n: number) => Uint8Array): Promise<void> {
  const draft = `${file}.${Buffer.from(randomBytes(6)).toString('hex')}.new`;
  const handle = await open(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await handle.writeFile(randomBytes(MASTER_KEY_BYTES));
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(draft, file);
  } catch (error) {
    // Another process was first: its key is the one to use.
    if (!hasCode(error, 'EEXIST')) {
      throw new Error(`master key file ${file} cannot be made`, { cause: error });
    }
  } finally {
    await unlink(draft);
  }
  await syncFolder(dirname(file));
}

/** Makes the new name survive a power cut. Windows cannot open a folder, and needs no such thing. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') {
    return;
  }
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
