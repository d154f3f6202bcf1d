import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { reportText } from '../../../src/commands/lab-report.ts';
import type { LabText } from '../../../src/lab/carrier.ts';

function shown(text: Partial<LabText>, json: boolean): string {
  const out = new PassThrough();
  const message = { kind: 'request', method: 'MESSAGE', uri: '', headers: [], body: '' } as const;
  const whole = { number: '+442079460200', from: 'Code', text: '493817', at: 1, message, ...text };
  reportText(whole, { out: out as unknown as NodeJS.WriteStream, json });
  return String(out.read());
}

describe('the lab shows a text message', () => {
  it('in one line, whatever it says', () => {
    expect(shown({ text: 'a\n493817 \u001b[2J' }, false)).toBe(
      '✉ text to +442079460200 from Code: a\\n493817 \\u001b[2J\n',
    );
    expect(shown({ from: null }, false)).toContain('from nobody: 493817');
  });

  it('as JSON', () => {
    expect(JSON.parse(shown({}, true))).toEqual({ number: '+442079460200', from: 'Code', text: '493817' });
  });
});
