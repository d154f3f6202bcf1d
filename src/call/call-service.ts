import type { Playlist } from '../prompt/playlist.ts';
import { Secret } from '../secret.ts';
import { randomFamily } from '../store/family.ts';
import type { Routing } from '../trunk/routing.ts';
import type { CalleeRules } from '../verification/callee.ts';
import { readCallee } from '../verification/callee.ts';
import type { ClientPermits } from '../verification/preparation.ts';
import type { Vault } from '../verification/vault.ts';
import type { NoticeTarget } from '../webhooks/notice.ts';
import type { AcceptancePorts, AdmissionRequest, RepeatableRequest } from './acceptance.ts';
import { admitted, earlierReply, familyOfRequest, repeatOf, takeCall, withNotice } from './acceptance.ts';
import type { Call } from './call.ts';
import { createCall } from './call.ts';
import { InTurn } from './in-turn.ts';
import type { TrunkWish } from './trunk-wish.ts';
import { readTrunkWish } from './trunk-wish.ts';

/** A call that says something, without a verification. */
export interface NewCallRequest {
  /** E.164 with plus, or a `sip:` address. */
  readonly to: string;
  /** Calling number, one that the trunk may show; `me`, or nothing: the trunk's own. */
  readonly from?: string | undefined;
  /** Id of the only trunk that may be used. */
  readonly carrierId?: string | undefined;
  readonly playlist: Playlist;
  /** 1–180. */
  readonly ringTimeoutSeconds?: number | undefined;
  /** The client's own name for it, kept and shown. */
  readonly reference?: string | undefined;
  /** IP address of whoever asks the client for it, counted by the limits, and kept by them for an hour. */
  readonly endUserAddress?: string | undefined;
  /** Who is told what becomes of it, in place of the client's own callback. */
  readonly notice?: NoticeTarget | undefined;
}

export interface StartedCall {
  /** For a replay: as it was when it was first answered. */
  readonly call: Call;
  /** True where the `Idempotency-Key` was used before: nothing was dialled now. */
  readonly replayed: boolean;
}

export interface CallServiceOptions extends AcceptancePorts {
  readonly vault: Pick<Vault, 'seal' | 'fingerprint'>;
  readonly routing: Pick<Routing, 'trunks'>;
  readonly callees: CalleeRules;
  readonly permits: Pick<ClientPermits, 'cli'>;
  /** What of a playlist can be judged before anything is fetched or spoken. */
  readonly prompts: { check(playlist: Playlist): Promise<void> };
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** @param family its last two hexadecimal digits */
  readonly newId: (prefix: 'call', family: string) => string;
  readonly randomBytes: (n: number) => Uint8Array;
}

/** Starts calls that say something. */
export class CallService {
  readonly #options: CallServiceOptions;
  /** By client and key. */
  readonly #starting = new InTurn<StartedCall>();

  constructor(options: CallServiceOptions) {
    this.#options = options;
  }

  /**
   * Stores a call and has it placed after that: the promise resolves before anything is fetched, spoken or dialled.
   *
   * @param clientId null where the API runs without keys
   * @param idempotencyKey a repetition with the same request within 24 hours gets the first answer
   * @throws AppError invalid_request, invalid_number, target_not_allowed, unknown_carrier, cli_not_allowed,
   *   invalid_playlist, unsupported_locale, destination_not_allowed, limit_reached, spend_limit, capacity,
   *   engine_unavailable, idempotency_key_reused, store_unavailable
   */
  async start(
    request: NewCallRequest,
    clientId: string | null,
    idempotencyKey?: string,
  ): Promise<StartedCall> {
    const start = (): Promise<StartedCall> => this.#start(request, clientId, idempotencyKey);
    // Two at once would both count.
    return idempotencyKey === undefined
      ? start()
      : this.#starting.do(JSON.stringify([clientId, idempotencyKey]), start);
  }

  async #start(
    request: NewCallRequest,
    clientId: string | null,
    idempotencyKey: string | undefined,
  ): Promise<StartedCall> {
    const { now, newId, prompts, randomBytes } = this.#options;
    const repeatable =
      idempotencyKey === undefined ? undefined : { clientId, key: idempotencyKey, text: canonical(request) };
    // Before anything is judged: what was taken once keeps its answer, even if it could not be played any more.
    const known = repeatable === undefined ? undefined : await earlierReply(this.#options, repeatable, now());
    if (known !== undefined) {
      return replayOf(known);
    }
    const { playlist } = request;
    const admission = this.#admissionOf(request, clientId);
    await prompts.check(playlist);
    const id = newId('call', familyOfRequest(repeatable, randomBytes));
    return admitted(
      this.#options,
      admission.request,
      () => this.#take({ ...request, id, ...admission }, playlist, clientId, repeatable),
      ({ replayed }) => replayed,
      repeatOf(this.#options, repeatable, now, replayOf),
    );
  }

  /**
   * As `start`, for a call of which it is known only by asking somebody what it is to say: asked once the request is let
   * through, since asking costs something too.
   *
   * @param ask gets the id that the call will have
   * @throws AppError as `start`; what `ask` throws
   */
  async startAsking(
    request: Omit<NewCallRequest, 'playlist'>,
    clientId: string | null,
    ask: (callId: string) => Promise<Playlist>,
  ): Promise<Call> {
    const { newId, randomBytes, prompts } = this.#options;
    const admission = this.#admissionOf(request, clientId);
    const id = newId('call', randomFamily(randomBytes));
    const { call } = await admitted(
      this.#options,
      admission.request,
      async () => {
        const playlist = await ask(id);
        await prompts.check(playlist);
        return this.#take({ ...request, id, ...admission }, playlist, clientId, undefined);
      },
      () => false,
    );
    return call;
  }

  /** @throws AppError invalid_number, target_not_allowed, unknown_carrier, cli_not_allowed */
  #admissionOf(request: Omit<NewCallRequest, 'playlist'>, clientId: string | null): Admitted {
    const { callees, routing, permits } = this.#options;
    const to = readCallee(request.to, callees);
    const wish = readTrunkWish(request, routing.trunks, (cli) => permits.cli(clientId, cli));
    const { endUserAddress } = request;
    return { wish, request: { clientId, to, channel: 'voice', endUserAddress } };
  }

  async #take(
    { id, wish, request: { to }, ringTimeoutSeconds, reference, notice: target }: TakenCall,
    playlist: Playlist,
    clientId: string | null,
    repeatable: Omit<RepeatableRequest, 'reply'> | undefined,
  ): Promise<StartedCall> {
    const { now, vault, dialer, notices } = this.#options;
    const queued = createCall({
      id,
      node: dialer.token(),
      verificationId: null,
      clientId,
      to,
      now: now(),
      reference: reference ?? null,
      wishes: {
        ...wish,
        ringTimeoutMs: ringTimeoutSeconds === undefined ? null : ringTimeoutSeconds * 1000,
      },
      sealedPlaylist: vault.seal(id, new Secret(JSON.stringify(playlist))),
    });
    const { call, notice } = withNotice(queued, notices.noticeOf(queued, null, target));
    const view: Call = { ...call, sealedPlaylist: null };
    const earlier = await takeCall(
      this.#options,
      call,
      null,
      repeatable === undefined ? undefined : { ...repeatable, reply: JSON.stringify(view) },
      notice,
    );
    return earlier === undefined ? { call: view, replayed: false } : replayOf(earlier);
  }
}

/** What of a request is settled before it is let through. */
interface Admitted {
  readonly wish: TrunkWish;
  readonly request: AdmissionRequest;
}

interface TakenCall extends Admitted, Pick<NewCallRequest, 'ringTimeoutSeconds' | 'reference' | 'notice'> {
  readonly id: string;
}

function replayOf(reply: string): StartedCall {
  return { call: JSON.parse(reply) as Call, replayed: true };
}

/** The request as one text, whatever the order of its keys. Only its HMAC is kept. */
function canonical(request: NewCallRequest): string {
  const { items, repeat, repeatPauseMs } = request.playlist;
  return JSON.stringify([
    'call',
    request.to,
    request.from,
    request.carrierId,
    items.map((item) => Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    repeat,
    repeatPauseMs,
    request.ringTimeoutSeconds,
    request.reference,
  ]);
}
