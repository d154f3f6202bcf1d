import { AppError } from '../errors.ts';
import type { SayAs } from '../prompt/playlist.ts';
import { templateComplaint } from '../prompt/text-template.ts';
import type { Gender } from '../prompt/tts.ts';
import type { Secret } from '../secret.ts';
import type { NoticeTarget } from '../webhooks/notice.ts';
import { alphabetOf, MAX_CODE_LENGTH, MIN_CODE_LENGTH, readCode } from './code.ts';
import type { DeliveryRequest } from './delivery.ts';
import type { FlashRequest } from './flash.ts';
import type { Channel } from './verification.ts';

/** What a client asks for. What it leaves out comes from `VerificationSettings`. */
export interface StartRequest extends DeliveryRequest {
  /** E.164 with plus, or a `sip:` address. */
  readonly to: string;
  readonly locale?: string | undefined;
  /** 4–10; with `code`, its length. */
  readonly codeLength?: number | undefined;
  /** The client's own code of 4–10 digits; letters too where it is said in `nato` words. */
  readonly code?: Secret | undefined;
  /** From `MIN_TTL_SECONDS` to the setting `maxTtlSeconds`. */
  readonly ttlSeconds?: number | undefined;
  /** 1–10. */
  readonly maxChecks?: number | undefined;
  /** 1–5. */
  readonly repeat?: number | undefined;
  /** How the code is said, and so of what it is made. */
  readonly sayAs?: SayAs | undefined;
  /** Of the voice, where there is a choice. */
  readonly gender?: Gender | undefined;
  /** How the number is proven; `voice` where nothing is said. */
  readonly channel?: Channel | undefined;
  /** Of a flash call. */
  readonly flash?: FlashRequest | undefined;
  /** The client's own name for it, kept and shown. */
  readonly reference?: string | undefined;
  /** The client's own text with `{code}` in it, said or sent in place of ours. It is kept in clear. */
  readonly template?: string | undefined;
  /** Calling number or sender, one that the trunk may show; nothing: the trunk's own. Not of a flash call. */
  readonly from?: string | undefined;
  /** Id of the only trunk that may be used. Not of a flash call. */
  readonly carrierId?: string | undefined;
  /** IP address of whoever asks the client for it, counted by the limits, and kept by them for an hour. */
  readonly endUserAddress?: string | undefined;
  /** A name of the client's under which it is found: the latest of that name. Not together with an `Idempotency-Key`. */
  readonly alias?: string | undefined;
  /** Who is told what becomes of it, in place of the client's own callback. */
  readonly notice?: NoticeTarget | undefined;
}

export interface VerificationSettings {
  readonly codeLength: number;
  readonly ttlSeconds: number;
  readonly maxTtlSeconds: number;
  readonly maxChecks: number;
  readonly repeat: number;
  readonly sayAs: SayAs;
  readonly locale: string;
  /** Hosts that `sip:` addresses may name. */
  readonly sipTargets: readonly string[];
}

/** NIST SP 800-63B: valid for at most ten minutes, and few guesses. */
export const DEFAULT_VERIFICATION_SETTINGS: VerificationSettings = {
  codeLength: 6,
  ttlSeconds: 600,
  maxTtlSeconds: 600,
  maxChecks: 5,
  repeat: 2,
  sayAs: 'digits',
  locale: 'en-US',
  sipTargets: [],
};

/** A call needs some of it before the code is heard. */
const MIN_TTL_SECONDS = 30;
const MAX_MAX_CHECKS = 10;
const MAX_REPEAT = 5;
const MAX_REFERENCE_LENGTH = 256;

/** What a verification is made of, settled. */
export interface Terms {
  readonly template: string | null;
  readonly codeLength: number;
  readonly ttlSeconds: number;
  readonly maxChecks: number;
  readonly repeat: number;
  readonly sayAs: SayAs;
  readonly gender: Gender | null;
}

/**
 * What the request says, else what the settings say, within the limits of both.
 *
 * @throws AppError invalid_request
 */
export function readTerms(request: StartRequest, settings: VerificationSettings): Terms {
  const sayAs = request.sayAs ?? settings.sayAs;
  const ownLength = ownCode(request, sayAs)?.reveal().length;
  if (ownLength !== undefined && (request.codeLength ?? ownLength) !== ownLength) {
    throw new AppError('invalid_request', { message: 'codeLength must be the length of code.' });
  }
  const { reference = '' } = request;
  if (reference.length > MAX_REFERENCE_LENGTH || /\p{Cc}/u.test(reference)) {
    throw new AppError('invalid_request', {
      message: `reference must have at most ${MAX_REFERENCE_LENGTH} characters, and no control characters.`,
    });
  }
  const complaint = request.template === undefined ? undefined : templateComplaint(request.template);
  if (complaint !== undefined) {
    throw new AppError('invalid_request', { message: `template: ${complaint}.` });
  }
  const inRange = (
    name: 'codeLength' | 'ttlSeconds' | 'maxChecks' | 'repeat',
    min: number,
    max: number,
  ): number => {
    // An operator's lower maximum holds for the operator's own default too.
    const value = request[name] ?? Math.min(settings[name], max);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new AppError('invalid_request', {
        message: `${name} must be a whole number from ${min} to ${max}.`,
      });
    }
    return value;
  };
  return {
    codeLength: ownLength ?? inRange('codeLength', MIN_CODE_LENGTH, MAX_CODE_LENGTH),
    ttlSeconds: inRange('ttlSeconds', MIN_TTL_SECONDS, settings.maxTtlSeconds),
    maxChecks: inRange('maxChecks', 1, MAX_MAX_CHECKS),
    repeat: inRange('repeat', 1, MAX_REPEAT),
    sayAs,
    gender: request.gender ?? null,
    template: request.template ?? null,
  };
}

/**
 * The client's own code as it is compared; undefined where there is none.
 *
 * @throws AppError invalid_request
 */
export function ownCode({ code }: StartRequest, sayAs: SayAs): Secret | undefined {
  const own = code === undefined ? undefined : readCode(code.reveal(), alphabetOf(sayAs));
  if (code !== undefined && own === undefined) {
    throw new AppError('invalid_request', {
      message: `code must have 4 to 10 digits${sayAs === 'nato' ? ' or letters' : ''} and nothing else${sayAs === 'nato' ? '' : ' (letters need sayAs nato)'}.`,
    });
  }
  return own;
}
