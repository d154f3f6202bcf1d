import { Secret } from '../../src/secret.ts';
import type { Delivery, FlashDetails } from '../../src/verification/verification.ts';
import type { DialerRig } from './dialer-rig.ts';
import { CODE } from './dialer-rig.ts';
import { acceptedPair } from './records.ts';
import type { Step } from './scripted-engine.ts';
import { ended, RINGING, TRYING } from './scripted-engine.ts';

/** What a flash call shows, and its last digits. */
export const SHOWN = '+498990007137';
const HIDDEN = '7137';

export const RANG: readonly Step[] = [TRYING, RINGING, ended({ kind: 'rang' })];

export const DELIVERY: Delivery = { gate: null, repeat: null, onMachine: null, voiceAfterMs: 60_000 };

const DETAILS: FlashDetails = {
  prefix: '+49899000',
  hiddenDigits: 4,
  guessProbability: 0.015,
  ringHoldMs: 2500,
  maxRingMs: 10_000,
  fallbackText: null,
};

/** A verification by a flash call on the trunk `beta`, stored and not yet dialled; gives the call's id. */
export async function acceptFlash(
  rig: DialerRig,
  channel: 'flash' | 'auto',
  {
    name = 'a',
    delivery = {},
    details = {},
    change = {},
  }: {
    name?: string;
    delivery?: Partial<Delivery>;
    details?: Partial<FlashDetails>;
    change?: Parameters<typeof acceptedPair>[1];
  } = {},
): Promise<string> {
  const id = `ver_${name}`;
  const { vault, store } = rig;
  const code = new Secret(CODE);
  const said = { sealedCode: vault.seal(id, code), codeDigest: vault.digest(id, code) };
  const { verification, call } = acceptedPair(name, {
    createdAt: Date.now(),
    channel,
    flash: { ...DETAILS, ...details },
    delivery: channel === 'flash' ? null : { ...DELIVERY, ...delivery },
    sealedCli: vault.seal(id, new Secret(SHOWN)),
    cliDigest: vault.digest(id, new Secret(HIDDEN)),
    ...(channel === 'flash' ? { sealedCode: null, codeDigest: null } : said),
    ...change,
  });
  const wishes = {
    cli: null,
    trunkId: null,
    ringTimeoutMs: null,
    flash: { hiddenDigits: 4, trunkId: 'beta' },
  };
  await store.accept(verification, { ...call, wishes }, null);
  return call.id;
}

/** A check of the number that called, as the service makes it. */
export function checkCaller(rig: DialerRig, name = 'a'): ReturnType<DialerRig['store']['check']> {
  const digest = rig.vault.digest(`ver_${name}`, new Secret(HIDDEN));
  return rig.store.check(`ver_${name}`, { by: 'caller_id', digest }, Date.now());
}
