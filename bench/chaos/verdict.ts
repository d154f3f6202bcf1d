/** One line of a judgement. */
export interface Verdict {
  readonly line: string;
  readonly wanted: string;
  readonly found: string;
  readonly ok: boolean;
}

const SHOWN = 5;

/** Holds where nothing offends it. @param of what was looked at: without any of it nothing is shown, and it fails */
export function none(line: string, offenders: readonly string[], of: number): Verdict {
  const shown = offenders.slice(0, SHOWN).join('; ');
  const more = offenders.length > SHOWN ? '; …' : '';
  const found = offenders.length === 0 ? `0 of ${of}` : `${offenders.length} of ${of}: ${shown}${more}`;
  return { line, wanted: 'none', found, ok: offenders.length === 0 && of > 0 };
}

/** Holds where a figure is not above its limit, and there was something to be measured. */
export function within(line: string, figure: number, limit: number): Verdict {
  return { line, wanted: `≤ ${limit}`, found: String(figure), ok: figure > 0 && figure <= limit };
}

/** Holds where two counts are the same. */
export function same(line: string, wanted: number, found: number): Verdict {
  return { line, wanted: String(wanted), found: String(found), ok: wanted === found };
}
