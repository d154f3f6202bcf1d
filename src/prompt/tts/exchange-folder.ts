import { createHash, randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../../system.ts';

const PREFIX = 'voice-otp-tts-';
/** The host, for containers that share the folder and not the numbers of processes; the process; random. */
const NAME = /^voice-otp-tts-([0-9a-f]{12})-(\d{1,10})-[0-9a-f]{24}$/;

/** Paths of folders that this process holds, or is about to make. */
const held = new Set<string>();

/** Where a program finds its text and leaves its sound: for nobody else to read (0700), and gone when it is done. */
export class ExchangeFolder {
  /** Absolute. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<ExchangeFolder> {
    const name = `${PREFIX}${host()}-${process.pid}-${randomBytes(12).toString('hex')}`;
    const folder = new ExchangeFolder(join(tmpdir(), name));
    held.add(folder.path);
    await mkdir(folder.path, { mode: 0o700 });
    return folder;
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    held.delete(this.path);
  }
}

/**
 * Removes what processes of this host that were killed left behind: their clients' texts lie in it. Folders of
 * processes that live stay, and so does what is a link, or another user's. Never rejects.
 */
export async function sweepExchangeFolders(): Promise<void> {
  const names = await readdir(tmpdir()).catch((): string[] => []);
  for (const name of names) {
    const [, ofHost, pid] = NAME.exec(name) ?? [];
    const path = join(tmpdir(), name);
    if (ofHost !== host() || held.has(path)) continue;
    // What has our number and is not ours is of an earlier process, before a container was started anew.
    if (Number(pid) !== process.pid && isAlive(Number(pid))) continue;
    const found = await lstat(path).catch(() => undefined);
    if (found?.isDirectory() !== true || found.uid !== process.getuid?.()) continue;
    // What cannot be removed now may be at the next start.
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

function host(): string {
  return createHash('sha256').update(hostname()).digest('hex').slice(0, 12);
}
