import { AppError } from '../errors.ts';
import type { Channel, Delivery, GateWish } from './verification.ts';

/** What a client asks for of the way in which a voice call gives its code away. */
export interface DeliveryRequest {
  /** The code is said only after a key. */
  readonly gate?: GateRequest | undefined;
  /** The callee keys in the code, which is shown on a screen, and the call itself approves the verification. */
  readonly confirm?: boolean | undefined;
  /** `0`–`9`, `*` or `#`. */
  readonly repeatKey?: string | undefined;
  /** `ignore`: nobody listens for one. */
  readonly voicemail?: VoicemailRule | undefined;
}

export interface GateRequest {
  /** `0`–`9`. */
  readonly digit?: string | undefined;
  /** How long a key is waited for after the question: 2–30. */
  readonly seconds?: number | undefined;
  /** Said instead of our own question. */
  readonly prompt?: string | undefined;
}

/** See `DetectionTerms`; `ignore`: nobody listens for a machine. */
export const VOICEMAIL_RULES = ['ignore', 'speak', 'hangup', 'wait_for_tone'] as const;
export type VoicemailRule = (typeof VOICEMAIL_RULES)[number];

/** What is done where a request does not say. */
export interface DeliverySettings {
  readonly gate: {
    /** Whether every voice call has one. */
    readonly always: boolean;
    readonly digit: string;
    readonly seconds: number;
    /** How often a repeat key says the code once more. */
    readonly repeatTimes: number;
  };
  readonly voicemail: { readonly rule: VoicemailRule };
  readonly flash: { readonly voiceAfterSeconds: number };
}

/**
 * What the request says of its voice call, else what the settings say; null where there is no voice call.
 *
 * @throws AppError invalid_request where keys do not go together
 */
export function readDelivery(
  request: DeliveryRequest,
  channel: Channel,
  settings: DeliverySettings,
): Delivery | null {
  if (channel === 'flash' || channel === 'sms') {
    const { gate, confirm, repeatKey, voicemail } = request;
    if ([gate, confirm, repeatKey, voicemail].some((value) => value !== undefined)) {
      throw refused('gate, confirm, repeatKey and voicemail go with a voice call: nothing else says a code.');
    }
    return null;
  }
  const gate = readGate(request, settings);
  const { repeatKey } = request;
  if (repeatKey !== undefined && gate?.key === null) {
    throw refused('repeatKey does not go with confirm: the call says no code.');
  }
  const rule = request.voicemail ?? settings.voicemail.rule;
  // A setting for all calls is no wish of this one: the gate does what the tone would have been waited for.
  const waitsInVain = rule === 'wait_for_tone' && gate !== null;
  if (waitsInVain && request.voicemail !== undefined) {
    throw refused('voicemail wait_for_tone does not go with a gate: a machine presses no key.');
  }
  return {
    gate,
    repeat: repeatKey === undefined ? null : { key: repeatKey, times: settings.gate.repeatTimes },
    onMachine: rule === 'ignore' ? null : waitsInVain ? 'speak' : rule,
    voiceAfterMs: settings.flash.voiceAfterSeconds * 1000,
  };
}

function readGate({ gate, confirm }: DeliveryRequest, settings: DeliverySettings): GateWish | null {
  if (confirm !== true && gate === undefined && !settings.gate.always) return null;
  if (confirm === true && gate?.digit !== undefined) {
    throw refused('confirm has no digit: the code itself is keyed in.');
  }
  if (confirm === true && gate?.prompt !== undefined) {
    throw refused('confirm has a question of its own: leave prompt out.');
  }
  return {
    key: confirm === true ? null : (gate?.digit ?? settings.gate.digit),
    waitMs: (gate?.seconds ?? settings.gate.seconds) * 1000,
    text: gate?.prompt ?? null,
  };
}

function refused(message: string): AppError {
  return new AppError('invalid_request', { message });
}
