import type { CallWishes } from '../call/call.ts';
import { AppError } from '../errors.ts';
import type { SayAs } from '../prompt/playlist.ts';
import type { Secret } from '../secret.ts';
import { readCallee } from './callee.ts';
import { alphabetOf, generateCode } from './code.ts';
import type { DeliverySettings } from './delivery.ts';
import { readDelivery } from './delivery.ts';
import type { FlashChoice, FlashPorts, FlashSettings } from './flash.ts';
import { chooseFlash, hiddenPart } from './flash.ts';
import type { StartRequest, Terms, VerificationSettings } from './terms.ts';
import { ownCode, readTerms } from './terms.ts';
import type { Vault } from './vault.ts';
import type { Channel, NewVerification, Verification } from './verification.ts';
import { createVerification } from './verification.ts';

/** What making a verification needs of the world. */
export interface PreparationPorts {
  readonly vault: Pick<Vault, 'digest' | 'seal'>;
  /** The locale that is spoken where another one was asked for; undefined: nothing speaks that language. */
  readonly resolveLocale: (locale: string, sayAs: SayAs) => string | undefined;
  /** Whether what nothing speaks now may be spoken later. */
  readonly speechIsAway: () => boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** A new id such as `ver_…` for the prefix `ver`; nobody can guess it. */
  readonly newId: (prefix: 'ver' | 'call') => string;
  readonly randomBytes: (n: number) => Uint8Array;
  readonly settings: VerificationSettings;
  readonly delivery: DeliverySettings;
  /** What flash calls need. */
  readonly flash: Omit<FlashPorts, 'vault'> & { readonly settings: FlashSettings };
}

/** A verification that is not stored yet, and how its call is to be placed. */
export interface Prepared {
  readonly verification: Verification;
  readonly wishes: CallWishes | undefined;
  /** The code that a screen is to show; undefined where the callee hears it. */
  readonly shown: Secret | undefined;
}

/** About what a provider of speech needs to start again. */
const SPEECH_RETRY_SECONDS = 10;

type Sealed = Pick<NewVerification, 'codeDigest' | 'sealedCode' | 'cliDigest' | 'sealedCli'>;

/**
 * Makes a verification of what was asked for: checks it, makes up a code, and takes a calling number for a flash call.
 *
 * @throws AppError invalid_request, invalid_number, target_not_allowed, unsupported_locale, speech_unavailable,
 *   flash_unavailable, flash_exhausted, flash_paused, store_unavailable
 */
export async function prepareVerification(
  request: StartRequest,
  clientId: string | null,
  ports: PreparationPorts,
): Promise<Prepared> {
  const { settings, now, newId } = ports;
  const channel = request.channel ?? 'voice';
  const to = readCallee(request.to, settings);
  const terms = readTerms(request, settings);
  const delivery = readDelivery(request, channel, ports.delivery);
  const locale = localeOf(request, terms.sayAs, ports);
  const code = codeOf(request, channel, terms, ports);
  const [id, createdAt] = [newId('ver'), now()];
  const maxChecks = channel === 'voice' ? terms.maxChecks : flashChecks(request, ports);
  const choice = channel === 'voice' ? undefined : await choose(to, request, maxChecks, createdAt, ports);
  const verification = createVerification({
    id,
    clientId,
    to,
    locale,
    reference: request.reference ?? null,
    ...terms,
    maxChecks,
    createdAt,
    callId: newId('call'),
    channel,
    codeLength: code === undefined ? (choice?.details.hiddenDigits ?? terms.codeLength) : terms.codeLength,
    flash: choice?.details ?? null,
    delivery,
    ...seal(id, code, choice, ports),
  });
  return {
    verification,
    wishes: choice === undefined ? undefined : wishesOf(choice),
    shown: delivery?.gate?.key === null ? code : undefined,
  };
}

function seal(
  id: string,
  code: Secret | undefined,
  choice: FlashChoice | undefined,
  { vault }: PreparationPorts,
): Sealed {
  const hidden =
    choice === undefined ? undefined : hiddenPart(choice.cli.reveal(), choice.details.hiddenDigits);
  if (choice !== undefined && hidden === undefined) {
    throw new Error('a calling number of a pool is shorter than its hidden part');
  }
  return {
    codeDigest: code === undefined ? null : vault.digest(id, code),
    sealedCode: code === undefined ? null : vault.seal(id, code),
    cliDigest: hidden === undefined ? null : vault.digest(id, hidden),
    sealedCli: choice === undefined ? null : vault.seal(id, choice.cli),
  };
}

function wishesOf({ trunkId, details: { hiddenDigits } }: FlashChoice): CallWishes {
  return { cli: null, trunkId: null, ringTimeoutMs: null, flash: { hiddenDigits, trunkId } };
}

/** Fewer than a code gets: there are fewer calling numbers than codes. */
function flashChecks({ maxChecks }: StartRequest, { flash }: PreparationPorts): number {
  return Math.min(maxChecks ?? flash.settings.maxChecks, flash.settings.maxChecks);
}

/** Undefined where `auto` has to do without a flash call. */
async function choose(
  to: string,
  request: StartRequest,
  checks: number,
  now: number,
  { flash, vault }: PreparationPorts,
): Promise<FlashChoice | undefined> {
  try {
    return await chooseFlash(to, request.flash ?? {}, checks, flash.settings, { ...flash, vault }, now);
  } catch (error) {
    const none = error instanceof AppError && NO_FLASH.includes(error.code);
    if (request.channel === 'auto' && none) return undefined;
    throw error;
  }
}

const NO_FLASH: readonly AppError['code'][] = ['flash_unavailable', 'flash_exhausted', 'flash_paused'];

function localeOf(request: StartRequest, sayAs: SayAs, ports: PreparationPorts): string {
  const { settings, resolveLocale, speechIsAway } = ports;
  const locale = resolveLocale(request.locale ?? settings.locale, sayAs);
  if (locale !== undefined) return locale;
  throw speechIsAway()
    ? new AppError('speech_unavailable', { retryAfterSeconds: SPEECH_RETRY_SECONDS })
    : new AppError('unsupported_locale');
}

/** Undefined where none is said. */
function codeOf(
  request: StartRequest,
  channel: Channel,
  { sayAs, codeLength }: Terms,
  { randomBytes }: PreparationPorts,
): Secret | undefined {
  if (channel === 'flash') {
    if (request.code === undefined) return undefined;
    throw new AppError('invalid_request', {
      message: 'A flash call has no code: the number that calls is it.',
    });
  }
  if (request.confirm === true && sayAs === 'nato') {
    throw new AppError('invalid_request', {
      message: 'confirm needs a code of digits: no phone has letters.',
    });
  }
  return ownCode(request, sayAs) ?? generateCode(codeLength, randomBytes, alphabetOf(sayAs));
}
