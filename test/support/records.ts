import type { Call } from '../../src/call/call.ts';
import { createCall } from '../../src/call/call.ts';
import type { PromptReport } from '../../src/prompt/prompt-report.ts';
import type { Trunk } from '../../src/trunk/definition.ts';
import type { Verification } from '../../src/verification/verification.ts';
import { createVerification } from '../../src/verification/verification.ts';

export const NOW = 1_750_000_000_000;

/** A pending verification and its queued call, as they are accepted; `name` makes their ids. */
export function acceptedPair(
  name: string,
  change: Partial<Parameters<typeof createVerification>[0]> = {},
): { verification: Verification; call: Call } {
  const verification = createVerification({
    id: `ver_${name}`,
    clientId: 'shop',
    to: '+4930123456',
    locale: 'en-US',
    reference: null,
    codeLength: 6,
    codeDigest: 'd'.repeat(64),
    sealedCode: 'c2VhbGVk',
    cliDigest: null,
    sealedCli: null,
    repeat: 2,
    sayAs: 'digits',
    gender: null,
    template: null,
    channel: 'voice',
    flash: null,
    delivery: null,
    maxChecks: 5,
    createdAt: NOW,
    ttlSeconds: 600,
    callId: `call_${name}`,
    ...change,
  });
  const call = createCall({
    id: verification.callId,
    verificationId: verification.id,
    clientId: verification.clientId,
    to: verification.to,
    now: verification.createdAt,
  });
  return { verification, call };
}

/** As it is noted of a prompt of recorded sounds. */
export const SOME_PROMPT: PromptReport = {
  locale: 'en-US',
  voices: ['recorded en-US/slt'],
  fallback: 'none',
  durationMs: 10,
  synthesised: 0,
  fetched: 0,
  preparedMs: 1,
};

export function someTrunk(change: Partial<Trunk> = {}): Trunk {
  return {
    id: 'alpha',
    host: 'alpha.example',
    transport: 'udp',
    cli: '+498912345',
    codecs: ['PCMU', 'PCMA'],
    numberFormat: '+E164',
    identity: 'from',
    setupTimeoutMs: 8000,
    ringTimeoutMs: 30_000,
    retryRejected: false,
    ...change,
  };
}
