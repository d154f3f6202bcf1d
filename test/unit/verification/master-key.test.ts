import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadMasterKey } from '../../../src/verification/master-key.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-key-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('loadMasterKey', () => {
  it('makes a key that only its owner can read, and finds it again', async () => {
    const file = join(folder, 'deep', 'master.key');
    const key = await loadMasterKey(file, randomBytes);
    expect(key).toHaveLength(32);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(Buffer.from(await loadMasterKey(file, randomBytes))).toEqual(Buffer.from(key));
    expect(await readdir(join(folder, 'deep'))).toEqual(['master.key']);
  });

  it('gives everybody the same key who starts at the same time', async () => {
    const file = join(folder, 'master.key');
    const keys = await Promise.all(Array.from({ length: 20 }, () => loadMasterKey(file, randomBytes)));
    expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).toBe(1);
    expect(await readdir(folder)).toEqual(['master.key']);
  });

  it.each([0, 31, 33, 64])('refuses a file of %i bytes and leaves it alone', async (length) => {
    const file = join(folder, 'master.key');
    await writeFile(file, Buffer.alloc(length, 1));
    await expect(loadMasterKey(file, randomBytes)).rejects.toThrow(/instead of 32/);
    expect(await readFile(file)).toEqual(Buffer.alloc(length, 1));
  });

  it('says so when the path cannot be read', async () => {
    await expect(loadMasterKey(folder, randomBytes)).rejects.toThrow(/cannot be read/);
  });
});
