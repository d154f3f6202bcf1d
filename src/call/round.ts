import type { DetectionTerms, FlashTerms, GateTerms, RepeatTerms } from '../engine/engine.ts';
import type { Speech } from '../media/speech.ts';
import type { Playlist } from '../prompt/playlist.ts';
import type { PreparedPrompt, PromptPort } from '../prompt/prepared-prompt.ts';
import { Secret } from '../secret.ts';
import { messageOf } from '../sms/message.ts';
import type { Vault } from '../verification/vault.ts';
import type { Delivery, FlashDetails, GateWish, Verification } from '../verification/verification.ts';
import type { AttemptChannel, Call } from './call.ts';

/** What is said in the legs of a round, all of it ready. */
export interface RoundSpeech {
  /** Null where nothing is said, since nobody is to answer. */
  readonly prompt: PreparedPrompt | null;
  readonly gate?: GateTerms;
  readonly repeat?: RepeatTerms;
}

/** One way in which a call proves something: the same leg, on one trunk after the other. */
export interface Round {
  readonly channel: AttemptChannel;
  readonly prepare: (signal: AbortSignal) => Promise<RoundSpeech>;
  /** Until when somebody waits for what it proves, epoch milliseconds. */
  readonly until: number;
  /** Of a flash call: what it shows, on which trunk, and how it rings. */
  readonly flash?: { readonly cli: string; readonly trunkId: string; readonly terms: FlashTerms };
  readonly detection?: DetectionTerms;
  /** Of a text message: what is sent, and the code in it. */
  readonly text?: { readonly body: Secret; readonly code: Secret };
  /** Whether the keys of its gate approve the verification. */
  readonly confirms: boolean;
  /** How long it waits before it begins, for a check of what the round before has proven. */
  readonly afterMs: number;
}

/** What the operator settled for all calls. */
export interface RoundSettings {
  /** How often a gate asks: 1–3. */
  readonly asks: number;
  readonly detection: Pick<DetectionTerms, 'decideMs' | 'toneMs'>;
}

export interface RoundPorts {
  readonly vault: Pick<Vault, 'open'>;
  readonly prompts: PromptPort;
  readonly settings: RoundSettings;
}

/** The round of a call that only says something. */
export function playlistRound({ id }: Call, sealedPlaylist: string, { vault, prompts }: RoundPorts): Round {
  const playlist = JSON.parse(vault.open(id, sealedPlaylist).reveal()) as Playlist;
  return {
    channel: 'voice',
    prepare: async (signal) => ({ prompt: await prompts.forPlaylist(playlist, signal) }),
    until: Number.POSITIVE_INFINITY,
    confirms: false,
    afterMs: 0,
  };
}

/**
 * The rounds of a verification's call, in their order; none where what they would give away is sealed no more.
 *
 * @throws Error where something was sealed with another master key
 */
export function verificationRounds(
  call: Call,
  verification: Verification,
  ports: RoundPorts,
): readonly Round[] {
  const { id, flash, sealedCli, sealedCode } = verification;
  const trunkId = call.wishes.flash?.trunkId;
  if (verification.channel === 'sms') {
    return sealedCode === null ? [] : [textRound(verification, ports.vault.open(id, sealedCode))];
  }
  const rounds: Round[] = [];
  if (flash !== null && sealedCli !== null && trunkId !== undefined) {
    rounds.push(flashRound(verification, flash, ports.vault.open(id, sealedCli), trunkId, ports));
  }
  if (sealedCode !== null) {
    const round = voiceRound(verification, ports.vault.open(id, sealedCode), ports);
    rounds.push(
      rounds.length === 0 ? round : { ...round, afterMs: verification.delivery?.voiceAfterMs ?? 0 },
    );
  }
  return rounds;
}

/** One that cannot say its text is not placed: somebody might answer, and hear nothing. */
function flashRound(
  { expiresAt }: Verification,
  { ringHoldMs, maxRingMs, fallbackText }: FlashDetails,
  cli: Secret,
  trunkId: string,
  { prompts }: RoundPorts,
): Round {
  return {
    channel: 'flash',
    prepare: async (signal) => ({
      prompt:
        fallbackText === null
          ? null
          : await prompts.forPlaylist(
              { items: [{ tts: fallbackText }], repeat: 1, repeatPauseMs: 0 },
              signal,
            ),
    }),
    until: expiresAt,
    flash: {
      cli: cli.reveal(),
      trunkId,
      terms: { ringHoldMs, maxRingMs, onAnswer: fallbackText === null ? 'hangup' : 'speak' },
    },
    confirms: false,
    afterMs: 0,
  };
}

/** Nothing of it is spoken. */
function textRound({ template, locale, expiresAt }: Verification, code: Secret): Round {
  return {
    channel: 'sms',
    prepare: async () => ({ prompt: null }),
    text: { body: messageOf(template, code, locale), code },
    until: expiresAt,
    confirms: false,
    afterMs: 0,
  };
}

function voiceRound(verification: Verification, code: Secret, ports: RoundPorts): Round {
  const { delivery, expiresAt } = verification;
  const onMachine = delivery?.onMachine ?? null;
  return {
    channel: 'voice',
    prepare: (signal) => voiceSpeech(verification, delivery, code, ports, signal),
    until: expiresAt,
    ...(onMachine === null ? {} : { detection: { onMachine, ...ports.settings.detection } }),
    confirms: delivery?.gate?.key === null,
    afterMs: 0,
  };
}

async function voiceSpeech(
  verification: Verification,
  delivery: Delivery | null,
  code: Secret,
  { prompts, settings }: RoundPorts,
  signal: AbortSignal,
): Promise<RoundSpeech> {
  const repeat = delivery?.repeat ?? null;
  const repeats = repeat === null ? {} : { repeat };
  if (delivery === null || delivery.gate === null) {
    return { prompt: await prompts.forCode(verification, code, signal), ...repeats };
  }
  const { gate } = delivery;
  const { locale, gender } = verification;
  if (gate.key === null) {
    const { ask, confirmed } = await prompts.forConfirmation({ locale, gender }, signal);
    return { prompt: confirmed, gate: gateTerms(code, gate, ask.speech, settings) };
  }
  const [ask, prompt] = await Promise.all([
    prompts.forGate({ locale, gender, key: gate.key, text: gate.text }, signal),
    prompts.forCode(verification, code, signal),
  ]);
  return { prompt, gate: gateTerms(new Secret(gate.key), gate, ask.speech, settings), ...repeats };
}

function gateTerms(keys: Secret, { waitMs }: GateWish, ask: Speech, { asks }: RoundSettings): GateTerms {
  return { keys, ask, asks, waitMs };
}
