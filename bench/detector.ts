import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import {
  AnswerDetector,
  type AnswerFinding,
  type AnswerReason,
  type AnswerVerdict,
} from '../src/media/answer-detector.ts';
import { corpus, type Example, SCENES } from './detector-corpus.ts';
import { Dice, noise, tones } from './detector-sound.ts';
import { Voices } from './detector-voices.ts';

/** How well a person is told from a voicemail, on generated calls: docs/detector.md. */
const PACKET = 160;
const COUNTED_AS: readonly AnswerVerdict[] = ['human', 'machine', 'unknown'];
/** A tone that is found this far from its end is found. */
const TONE_OFF_MS = 60;
/** Of each sound that is made to find out what it costs. */
const WORST_MS = 20_000;

interface Result {
  readonly example: Example;
  /** The first verdict: on it, a caller acts. */
  readonly first: AnswerVerdict;
  readonly firstAtMs: number;
  readonly last: AnswerVerdict;
  readonly reason: AnswerReason | undefined;
  /** Each time that a beep was said to be over, in the order. */
  readonly tonesMs: readonly number[];
  readonly microseconds: number;
}

function run(example: Example): Result {
  const detector = new AnswerDetector();
  const tonesMs: number[] = [];
  let first: (AnswerFinding & { type: 'verdict' }) | undefined;
  const before = process.cpuUsage();
  for (let at = 0; at < example.audio.length; at += PACKET) {
    for (const finding of detector.push(example.audio.subarray(at, at + PACKET))) {
      if (finding.type === 'tone_ended') tonesMs.push(finding.atMs);
      else first ??= finding;
    }
  }
  const { user, system } = process.cpuUsage(before);
  const microseconds = user + system;
  const { verdict: last, reason } = detector;
  const { verdict = 'unknown', atMs = 0 } = first ?? {};
  return { example, first: verdict, firstAtMs: atMs, last, reason, tonesMs, microseconds };
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

function share(part: number, whole: number): string {
  return `${part} of ${whole} (${((100 * part) / Math.max(1, whole)).toFixed(1)} %)`;
}

function table(
  title: string,
  results: readonly Result[],
  verdictOf: (result: Result) => AnswerVerdict,
): string {
  const rows = (['person', 'machine'] as const).map((kind) => {
    const own = results.filter(({ example }) => example.kind === kind);
    const counts = COUNTED_AS.map((verdict) => own.filter((result) => verdictOf(result) === verdict).length);
    return `| ${kind} | ${counts.join(' | ')} | ${own.length} |`;
  });
  return [`| ${title} | ${COUNTED_AS.join(' | ')} | calls |`, '|---|---|---|---|---|', ...rows].join('\n');
}

function byScene(results: readonly Result[]): string {
  const nameOf = ({ example }: Result): string => `${example.kind} | ${example.scene}`;
  const names = [...new Set(results.map(nameOf))];
  const scenes = names.map((name) => [name, results.filter((one) => nameOf(one) === name)] as const);
  const rows = scenes.map(([scene, own]) => {
    const counts = (of: (result: Result) => AnswerVerdict): string =>
      COUNTED_AS.map((verdict) => own.filter((result) => of(result) === verdict).length).join(' / ');
    const atMs = percentile(
      own.map(({ firstAtMs }) => firstAtMs),
      0.5,
    );
    return `| ${scene} | ${counts(({ first }) => first)} | ${counts(({ last }) => last)} | ${(atMs / 1000).toFixed(1)} s |`;
  });
  const head =
    '| kind | scene | first verdict: human / machine / unknown | last verdict | first verdict after (median) |';
  return [head, '|---|---|---|---|---|', ...rows].join('\n');
}

function rates(results: readonly Result[]): string {
  const persons = results.filter(({ example }) => example.kind === 'person');
  const machines = results.filter(({ example }) => example.kind === 'machine');
  const is = (verdict: AnswerVerdict) => (result: Result) => result.first === verdict;
  const decided = results.filter(({ first }) => first !== 'unknown');
  const after = (own: readonly Result[], of: (result: Result) => number): string => {
    const times = own.map(of);
    return `median ${percentile(times, 0.5).toFixed(0)} ms, p90 ${percentile(times, 0.9).toFixed(0)} ms`;
  };
  const ofKind = (kind: string): Result[] => decided.filter(({ example }) => example.kind === kind);
  const voiceMs = ({ firstAtMs, example }: Result): number => firstAtMs - example.startsAtMs;
  const heard = (own: readonly Result[]): Result[] =>
    own.filter(({ example }) => example.startsAtMs < Infinity);
  return [
    `false alarms, a person first taken for a machine: ${share(persons.filter(is('machine')).length, persons.length)}`,
    `misses, a machine first taken for a person: ${share(machines.filter(is('human')).length, machines.length)}`,
    `misses put right later, by a beep or by talking on: ${machines.filter((one) => is('human')(one) && one.last === 'machine').length}`,
    `without a verdict: ${share(results.filter(is('unknown')).length, results.length)}`,
    `to the first verdict from the answer: persons ${after(ofKind('person'), ({ firstAtMs }) => firstAtMs)}; machines ${after(ofKind('machine'), ({ firstAtMs }) => firstAtMs)}`,
    `to the first verdict from the first sound: persons ${after(heard(ofKind('person')), voiceMs)}; machines ${after(heard(ofKind('machine')), voiceMs)}`,
  ].join('\n');
}

function toneFigures(results: readonly Result[]): string {
  const isNear = (a: number) => (b: number) => Math.abs(a - b) <= TONE_OFF_MS;
  const beeps = results.flatMap(({ example, tonesMs }) =>
    example.beepsEndAtMs.map((endMs) => ({ endMs, foundMs: tonesMs.find(isNear(endMs)) })),
  );
  const off = beeps.flatMap(({ endMs, foundMs }) => (foundMs === undefined ? [] : [foundMs - endMs]));
  const absolute = off.map(Math.abs);
  const none = results.filter(({ example, tonesMs }) =>
    tonesMs.some((ms) => !example.beepsEndAtMs.some(isNear(ms))),
  );
  return [
    `beeps found: ${share(off.length, beeps.length)}`,
    `end of the beep off by: median ${percentile(absolute, 0.5).toFixed(0)} ms, p90 ${percentile(absolute, 0.9).toFixed(0)} ms, ${Math.min(...off).toFixed(0)} to ${Math.max(...off).toFixed(0)} ms`,
    `calls with a beep found where there is none: ${none.length} of ${results.length}${none.length > 0 ? ` (${[...new Set(none.map(({ example }) => example.scene))].join('; ')})` : ''}`,
  ].join('\n');
}

function cost(results: readonly Result[]): string {
  const seconds = results.reduce((sum, { example }) => sum + example.audio.length / 8000, 0);
  const total = results.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const of = (microseconds: number): string =>
    `${microseconds.toFixed(0)} µs a second (${(microseconds / 10_000).toFixed(3)} % of a core)`;
  const dice = new Dice('cost');
  const still = new Int16Array(8 * WORST_MS);
  const kinds: readonly (readonly [string, Int16Array])[] = [
    ['digital silence', still],
    ['a word, then digital silence', Int16Array.from(still, (_, i) => (i < 8000 ? (i % 97) * 90 : 0))],
    ['noise', noise(WORST_MS, dice, false)],
    ['a tone', tones([1000], WORST_MS, -14)],
    ['two tones', tones([350, 440], WORST_MS, -14)],
  ];
  const single = kinds.map(([name, audio]) => {
    const example: Example = { kind: 'machine', scene: name, audio, startsAtMs: 0, beepsEndAtMs: [] };
    run(example);
    return `  ${name}: ${of(run(example).microseconds / (WORST_MS / 1000))}`;
  });
  const processor = `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown processor'}`;
  return [
    `CPU for the audio of one call: ${of(total / seconds)}; ${seconds.toFixed(0)} s, Node ${process.versions.node}, ${processor}`,
    ...single,
  ].join('\n');
}

function wrongOnes(results: readonly Result[]): string {
  return results
    .filter(({ example, first }) => first !== (example.kind === 'person' ? 'human' : 'machine'))
    .map(
      ({ example, first, firstAtMs, last, reason }) =>
        `${example.kind}, ${example.scene}: ${first} after ${firstAtMs} ms, then ${last} (${reason})`,
    )
    .join('\n');
}

const { values } = parseArgs({
  options: {
    set: { type: 'string', default: 'table' },
    each: { type: 'string', default: '6' },
    voices: { type: 'string', default: 'npm' },
    wrong: { type: 'boolean', default: false },
  },
});
const set = values.set === 'tuning' ? 'tuning' : 'table';
const perScene = Math.max(1, Math.min(100, Number.parseInt(values.each, 10) || 6));
const voices = await Voices.open(values.voices === 'installed' ? 'installed' : 'npm');
try {
  const results: Result[] = [];
  for await (const example of corpus(voices, set, perScene)) results.push(run(example));
  const head = `set ${set}: ${results.length} calls of ${SCENES} scenes; voices: ${voices.names}`;
  const tables = [
    table('first verdict', results, ({ first }) => first),
    table('last verdict', results, ({ last }) => last),
  ];
  const parts = [head, ...tables, rates(results), toneFigures(results), cost(results), byScene(results)];
  if (values.wrong) parts.push(wrongOnes(results));
  process.stdout.write(`${parts.join('\n\n')}\n`);
} finally {
  await voices.close();
}
