import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CodeSearch } from '../../../bench/chaos/code-search.ts';
import { nextCode } from '../../../bench/chaos/codes.ts';
import { seeded } from '../../../bench/chaos/fate.ts';
import { codesInRedis, judgeFolder, judgeHealth } from '../../../bench/chaos/judge-secrets.ts';

const DIGITS = '4071938265';
const SPELLED = 'K7QW2ZP9XA';
const search = new CodeSearch([DIGITS, SPELLED]);
/** As many as are read at once. */
const PIECE = 4 * 2 ** 20;

describe('the search for codes', () => {
  it.each([
    [`{"code":"${DIGITS}"}`, [DIGITS]],
    [DIGITS, [DIGITS]],
    [`\r\n$10\r\n${DIGITS}\r\n`, [DIGITS]],
    [`x${SPELLED}y`, [SPELLED]],
    [SPELLED.toLowerCase(), [SPELLED]],
    [`1${SPELLED}1`, [SPELLED]],
    [`${DIGITS} ${SPELLED}`, [DIGITS, SPELLED]],
    // As it is within longer numbers by chance.
    [`1${DIGITS}`, []],
    [`${DIGITS}1`, []],
    [DIGITS.slice(1), []],
    ['', []],
  ])('of %j finds %j', (text, found) => {
    expect(search.inText(text)).toEqual(found);
  });

  describe('in files', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'voice-otp-search-'));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it.each([-11, -10, -9, -5, -1, 0, 1])('finds them where two pieces meet: %i', async (offset) => {
      const file = join(folder, 'long');
      const before = Buffer.alloc(PIECE + offset, '.');
      await writeFile(file, Buffer.concat([before, Buffer.from(DIGITS), Buffer.from('.'.repeat(30))]));
      expect(await search.inFile(file)).toEqual([DIGITS]);
      await writeFile(file, Buffer.concat([before, Buffer.from(DIGITS)]));
      expect(await search.inFile(file)).toEqual([DIGITS]);
      await writeFile(file, Buffer.concat([before, Buffer.from(`${DIGITS}7`)]));
      expect(await search.inFile(file)).toEqual([]);
      await writeFile(file, Buffer.concat([before, Buffer.from(`7${DIGITS}`)]));
      expect(await search.inFile(file)).toEqual([]);
    });

    it('fails for a code in a file, in a name, and where it does not find what is there', async () => {
      const inner = join(folder, 'data', 'deep');
      await mkdir(inner, { recursive: true });
      await writeFile(join(inner, 'log'), 'call_0123456789abcdef\n');
      const judged = async (known: string) =>
        (await judgeFolder('codes', join(folder, 'data'), search, known)).map(({ ok }) => ok);
      expect(await judged('call_0123456789abcdef')).toEqual([true, true]);
      expect(await judged('call_fedcba9876543210')).toEqual([true, false]);
      await writeFile(join(inner, 'log'), `call_0123456789abcdef ${SPELLED}\n`);
      expect(await judged('call_0123456789abcdef')).toEqual([false, true]);
      await writeFile(join(inner, 'log'), 'call_0123456789abcdef\n');
      await writeFile(join(inner, `${DIGITS}.wav`), '');
      expect(await judged('call_0123456789abcdef')).toEqual([false, true]);
    });

    it('fails for an empty folder', async () => {
      const empty = await mkdtemp(join(folder, 'empty-'));
      expect((await judgeFolder('codes', empty, search)).map(({ ok }) => ok)).toEqual([false]);
    });

    it('fails for faults in logs, and for a node that ended by itself', async () => {
      const log = join(folder, 'node.log');
      const judged = async (text: string, ends: readonly string[] = []) => {
        await writeFile(log, text);
        return (await judgeHealth([log], ends)).map(({ ok }) => ok);
      };
      expect(await judged('{"level":"info","msg":"listening"}\n')).toEqual([true, true]);
      expect(await judged('[UnhandledPromiseRejection: …]\n')).toEqual([true, false]);
      expect(await judged('{"level":"fatal"}\n')).toEqual([true, false]);
      expect(await judged('(node:1) MaxListenersExceededWarning: …\n')).toEqual([true, false]);
      expect(await judged('\n', ['node-1 ended by itself with 1'])).toEqual([false, true]);
    });
  });

  it('sees codes in the keys and the values of Redis, and keys that never expire', async () => {
    const entry = (key: string, content: string, ttlMs = 1000) => ({ key, type: 'string', content, ttlMs });
    expect(
      await codesInRedis([entry('a', 'b'), entry('c', `…${DIGITS}…`), entry(SPELLED, '', -1)], search),
    ).toEqual({
      keys: 3,
      found: [`c: ${DIGITS}`, `${SPELLED}: ${SPELLED}`],
      immortal: [SPELLED],
    });
    const kept = [entry('{votp-q-first}:trunk-first:id', '7', -1), entry('votp:{cdr}:rows', '', -1)];
    const ours = entry('votp:{ab}:call:call_ab', '', -1);
    expect((await codesInRedis([...kept, ours], search)).immortal).toEqual([ours.key]);
  });
});

describe('codes of the harness', () => {
  it('are ten characters, each once, and no time of the day', () => {
    const now = 1_800_000_000_000;
    const taken = new Set<string>();
    const random = seeded(7);
    for (let i = 0; i < 2000; i++) {
      const { code, sayAs } = nextCode(i, random, now, taken);
      expect(code).toMatch(sayAs === 'nato' ? /^[0-9A-Z]{10}$/ : /^\d{10}$/);
      if (sayAs === 'digits') expect(Math.abs(Number(code) * 1000 - now)).toBeGreaterThan(86_400_000);
    }
    expect(taken.size).toBe(2000);
    const [first] = nextCode(1, () => 0.123, now, new Set()).code;
    expect(first).toBe('1');
  });
});
