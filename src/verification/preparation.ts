import type { CallWishes } from '../call/call.ts';
import type { TrunkWish } from '../call/trunk-wish.ts';
import { readTrunkWish } from '../call/trunk-wish.ts';
import { AppError } from '../errors.ts';
import type { SayAs } from '../prompt/playlist.ts';
import type { Secret } from '../secret.ts';
import { messageOf } from '../sms/message.ts';
import type { Routing } from '../trunk/routing.ts';
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

/** What a client may ask for, among what the service can do. */
export interface ClientPermits {
  cli(clientId: string | null, cli: string): boolean;
  /** Word for word, with `{code}` in it. */
  template(clientId: string | null, text: string): boolean;
}

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
  /** Those that there are now. */
  readonly routing: Pick<Routing, 'trunks' | 'carriesTexts'>;
  /** What a client may ask for. */
  readonly permits: ClientPermits;
  /** What flash calls need. */
  readonly flash: Omit<FlashPorts, 'vault'> & { readonly settings: FlashSettings };
}

/** A verification that is not stored yet, and how its call is to be placed. */
export interface Prepared {
  readonly verification: Verification;
  readonly wishes: CallWishes;
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
  const wish = trunkWish(request, clientId, channel, ports);
  const locale = localeOf(request, channel, terms.sayAs, ports);
  const code = codeOf(request, channel, terms, ports);
  if (channel === 'sms' && code !== undefined) {
    checkText(to, wish, messageOf(terms.template, code, locale), ports);
  }
  const [id, createdAt] = [newId('ver'), now()];
  const rings = channel === 'flash' || channel === 'auto';
  const maxChecks = rings ? flashChecks(request, ports) : terms.maxChecks;
  const choice = rings ? await choose(to, request, maxChecks, createdAt, ports) : undefined;
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
    wishes: { ...wish, ringTimeoutMs: null, ...wishesOf(channel, choice) },
    shown: delivery?.gate?.key === null ? code : undefined,
  };
}

/** @throws AppError sms_unavailable, cli_not_allowed, invalid_request */
function checkText(
  to: string,
  { trunkId, cli }: TrunkWish,
  text: Secret,
  { routing }: PreparationPorts,
): void {
  if (!routing.carriesTexts(to, trunkId)) throw new AppError('sms_unavailable');
  if (!routing.carriesTexts(to, trunkId, { cli })) throw new AppError('cli_not_allowed');
  if (routing.carriesTexts(to, trunkId, { cli, text })) return;
  throw new AppError('invalid_request', { message: 'template: no trunk carries so long a text message.' });
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

function wishesOf(channel: Channel, choice: FlashChoice | undefined): Partial<CallWishes> {
  if (channel === 'sms') return { sms: true };
  if (choice === undefined) return {};
  const { trunkId, details } = choice;
  return { flash: { hiddenDigits: details.hiddenDigits, trunkId } };
}

/** @throws AppError invalid_request, unknown_carrier, cli_not_allowed, template_not_allowed */
function trunkWish(
  { from, carrierId, template, gate, flash }: StartRequest,
  clientId: string | null,
  channel: Channel,
  { routing, permits }: PreparationPorts,
): TrunkWish {
  const shows = channel === 'voice' || channel === 'sms';
  if (!shows && (from !== undefined || carrierId !== undefined)) {
    throw new AppError('invalid_request', {
      message: 'from and carrierId go with voice and sms: the number of a flash call is one of a pool.',
    });
  }
  if (template !== undefined && channel === 'flash') {
    throw new AppError('invalid_request', {
      message: 'template does not go with a flash call: it says no code.',
    });
  }
  const words = [template, gate?.prompt, flash?.fallbackText].filter((text) => text !== undefined);
  if (!words.every((text) => permits.template(clientId, text))) throw new AppError('template_not_allowed');
  return readTrunkWish({ from, carrierId }, routing.trunks, (cli) => permits.cli(clientId, cli));
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

function localeOf(
  request: StartRequest,
  channel: Channel,
  sayAs: SayAs,
  { settings, resolveLocale, speechIsAway }: PreparationPorts,
): string {
  // Nothing of it is spoken.
  if (channel === 'sms') return request.locale ?? settings.locale;
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
