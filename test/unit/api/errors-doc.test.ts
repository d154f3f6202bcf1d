import { describe, expect, it } from 'vitest';
import { callAnswer } from '../../../src/api/schemas.ts';
import { verificationAnswer } from '../../../src/api/verification-schemas.ts';
import type { AppError } from '../../../src/errors.ts';
import { ERROR_TABLE } from '../../../src/errors.ts';
import { refusalOf } from '../../../src/prompt/playlist-check.ts';
import type { PromptFault } from '../../../src/prompt/prompt-error.ts';
import { PromptError } from '../../../src/prompt/prompt-error.ts';
import { DocTables } from '../../support/doc-tables.ts';

const page = new DocTables('errors.md');

/** All of them, or this does not compile. */
const FAULTS: Readonly<Record<PromptFault, true>> = {
  tts_failed: true,
  tts_timeout: true,
  unknown_voice: true,
  not_audio: true,
  url_refused: true,
  url_failed: true,
  too_long: true,
  file_not_found: true,
  unsupported_locale: true,
};

describe('docs/errors.md', () => {
  it('has every error code with its status and whether to retry, and no other', () => {
    const told = page.rowsOf('Error codes').map(([code, status, retry]) => [code, status, retry]);
    const known = Object.entries(ERROR_TABLE).map(([code, { status, retryable }]) => [
      code,
      String(status),
      retryable ? 'yes' : 'no',
    ]);
    expect(told).toEqual(known);
  });

  it('explains every disposition, and no other', () => {
    expect(page.rowsOf('Dispositions of a call').map(([disposition]) => disposition)).toEqual(
      callAnswer.shape.disposition.unwrap().options,
    );
  });

  it('explains every prompt fault with what a preview answers, and no other', () => {
    const told = page.rowsOf('Prompt faults').map(([fault, _meaning, answer]) => [fault, answer]);
    expect(told).toEqual(
      Object.keys(FAULTS).map((fault) => [
        fault,
        (refusalOf(new PromptError(fault as PromptFault, 'why')) as AppError).code,
      ]),
    );
  });

  it('explains every status of a verification, and no other', () => {
    expect(page.rowsOf('Statuses of a verification').map(([status]) => status)).toEqual(
      verificationAnswer.shape.status.options,
    );
  });
});
