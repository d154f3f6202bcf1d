import type { Verdict } from './verdict.ts';

/** The table of a judgement, and what was noted beside it, as Markdown. */
export function reportOf(title: string, notes: readonly string[], verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ line, wanted, found, ok }) => [line, wanted, found, ok ? 'ok' : 'FAILED']);
  const table = [['line', 'wanted', 'found', ''], ['---', '---', '---', '---'], ...rows];
  const failed = verdicts.filter(({ ok }) => !ok).length;
  const result =
    failed === 0 ? `All ${verdicts.length} lines hold.` : `${failed} of ${verdicts.length} lines FAILED.`;
  return [
    `# ${title}`,
    '',
    ...notes.map((text) => `- ${text}`),
    '',
    ...table.map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`),
    '',
    result,
    '',
  ].join('\n');
}

/** The value that this share of them is not above. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** How often each text is among these, the most frequent first. */
export function tally(texts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([text, count]) => `${count} ${text}`)
    .join(', ');
}
