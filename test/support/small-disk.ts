import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe } from 'vitest';

/** Mounts a file system of 64 kB over a folder that is there; only root may. */
export function mountSmall(at: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', at], { stdio: 'pipe' });
}

export function unmountSmall(at: string): void {
  execFileSync('umount', [at], { stdio: 'pipe' });
}

/** Whether this process may do so. */
export function mayMount(): boolean {
  const at = mkdtempSync(join(tmpdir(), 'voice-otp-mount-'));
  try {
    mountSmall(at);
    unmountSmall(at);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(at);
  }
}

/** Tests on a disk of 64 kB, a new one for each; skipped where this process may not mount one. */
export function describeOnSmallDisk(suite: (at: string) => void): void {
  const able = mayMount();
  if (!able) process.stderr.write('skipped: a full disk: only root may mount a small one\n');
  describe.skipIf(!able)('a small disk (skipped where it cannot be mounted)', () => {
    const at = able ? mkdtempSync(join(tmpdir(), 'voice-otp-tiny-')) : '';
    beforeEach(() => mountSmall(at));
    afterEach(() => unmountSmall(at));
    afterAll(() => rmdirSync(at));
    suite(at);
  });
}
