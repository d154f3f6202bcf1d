import { below, pick, type Random } from './seeded-random.ts';

/** What upsets parsers: line ends, separators, numbers at and over the edge, names of Object.prototype. */
const NASTY = [
  ...['\r\n', '\r\n\r\n', '\n', '\r', '\0', '\t', ' ', '\r\n ', '"', '\\', '\\"', '<', '>', '<<', '>>', '<>'],
  ...[',', ';', ':', '@', '?', '=', '%', '%00', '[', ']', '[::', '(', ')', '/', ';;,;,,', '%0d%0a'],
  ...['-1', '0', '2147483648', '4294967296', '99999999999999999999', `1${'0'.repeat(400)}`, '1e9', '0x10'],
  ...['constructor: x\r\n', '__proto__: x\r\n', 'hasOwnProperty', ';__proto__=1', ';tag=', ';lr', ';branch='],
  ...['SIP/2.0', 'sip:', 'Digest ', 'z9hG4bK', '\u{1f4de}', '\ufffd', '\u2028'],
];

type Mutation = (bytes: Buffer, random: Random, corpus: readonly Buffer[]) => Buffer;

const splice = (bytes: Buffer, from: number, to: number, middle: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, from), middle, bytes.subarray(to)]);

const spanOf = (bytes: Buffer, random: Random, longest: number): [from: number, to: number] => {
  const from = below(random, bytes.length + 1);
  return [from, Math.min(bytes.length, from + below(random, longest) + 1)];
};

const linesOf = (bytes: Buffer): string[] => bytes.toString('latin1').split('\r\n');
const ofLines = (lines: readonly string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1');

const MUTATIONS: readonly Mutation[] = [
  function flipByte(bytes, random) {
    const copy = Buffer.from(bytes);
    if (copy.length > 0) copy[below(random, copy.length)] = below(random, 256);
    return copy;
  },
  function deleteSpan(bytes, random) {
    return splice(bytes, ...spanOf(bytes, random, 20), Buffer.alloc(0));
  },
  function duplicateSpan(bytes, random) {
    const [from, to] = spanOf(bytes, random, 60);
    return splice(bytes, to, to, bytes.subarray(from, to));
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, below(random, bytes.length + 1));
  },
  function shuffleLines(bytes, random) {
    const lines = linesOf(bytes);
    const [a, b] = [below(random, lines.length), below(random, lines.length)];
    [lines[a], lines[b]] = [lines[b] as string, lines[a] as string];
    return ofLines(lines);
  },
  function repeatLine(bytes, random) {
    const lines = linesOf(bytes);
    const at = below(random, lines.length);
    const times = pick(random, [1, 1, 2, 30]);
    lines.splice(at, 0, ...Array.from({ length: times }, () => lines[at] as string));
    return ofLines(lines);
  },
  function dropLine(bytes, random) {
    const lines = linesOf(bytes);
    lines.splice(below(random, lines.length), 1);
    return ofLines(lines);
  },
  function insertNasty(bytes, random) {
    const at = below(random, bytes.length + 1);
    return splice(bytes, at, at, Buffer.from(pick(random, NASTY).repeat(pick(random, [1, 1, 1, 1, 1, 30]))));
  },
  function replaceNumber(bytes, random) {
    const text = bytes.toString('latin1');
    const numbers = [...text.matchAll(/\d+/g)];
    const found = numbers[below(random, numbers.length)];
    if (found === undefined) return bytes;
    return splice(bytes, found.index, found.index + found[0].length, Buffer.from(pick(random, NASTY)));
  },
  function replaceValue(bytes, random) {
    const lines = linesOf(bytes);
    const at = below(random, lines.length);
    const colon = lines[at]?.indexOf(':') ?? -1;
    lines[at] = `${lines[at]?.slice(0, colon + 1)}${pick(random, NASTY)}`;
    return ofLines(lines);
  },
  function crossOver(bytes, random, corpus) {
    const other = pick(random, corpus);
    return Buffer.concat([
      bytes.subarray(0, below(random, bytes.length + 1)),
      other.subarray(below(random, other.length + 1)),
    ]);
  },
];

/** One to four random changes to a random message of the corpus. */
export function mutate(random: Random, corpus: readonly Buffer[]): Buffer {
  let bytes = pick(random, corpus);
  const times = 1 + below(random, 4);
  for (let i = 0; i < times; i++) bytes = pick(random, MUTATIONS)(bytes, random, corpus);
  return bytes;
}
