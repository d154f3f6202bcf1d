import { randomUUID } from 'node:crypto';
import { formatWav } from '../media/wav.ts';
import type { LabDesk } from '../page/lab-desk.ts';
import { shownCaller } from './caller-id.ts';
import type { LabCall } from './carrier.ts';

type DeskPhone = ReturnType<LabDesk['phones']>[number];
type DeskText = ReturnType<LabDesk['texts']>[number];

/** Calls and texts of which the desk knows; the oldest goes first. Each call may hold a recording. */
const MAX_KEPT = 40;
const KEYS = /^[0-9*#A-D]{1,32}$/;

interface OnDesk {
  readonly id: string;
  readonly call: LabCall;
  readonly reachedAt: number;
  pressed: string;
  heard: readonly string[] | null;
}

/** The phones of a lab carrier in front of a person, who answers them, presses their keys and hears what they heard. */
export class Desk implements LabDesk {
  readonly #phones: OnDesk[] = [];
  readonly #texts: DeskText[] = [];
  readonly #heardBy: (call: LabCall) => Promise<readonly string[]>;
  readonly #now: () => number;

  /** @param heardBy the digits that the phone of a call that is over has heard, an entry for each time that they were said */
  constructor(heardBy: (call: LabCall) => Promise<readonly string[]>, now: () => number = Date.now) {
    this.#heardBy = heardBy;
    this.#now = now;
  }

  /** Puts a phone on the desk that was just called. */
  take(call: LabCall): void {
    const one: OnDesk = { id: randomUUID(), call, reachedAt: this.#now(), pressed: '', heard: null };
    this.#phones.push(one);
    if (this.#phones.length > MAX_KEPT) this.#phones.shift();
    void call.phone.over.then(async () => {
      if (call.phone.heard.samples.length > 0) one.heard = await this.#heardBy(call);
    });
  }

  /** Puts a text message on the desk that just came. */
  takeText(text: Omit<DeskText, 'id' | 'at'>): void {
    this.#texts.push({ ...text, id: randomUUID(), at: this.#now() });
    if (this.#texts.length > MAX_KEPT) this.#texts.shift();
  }

  phones(): readonly DeskPhone[] {
    return this.#phones.map(shown);
  }

  texts(): readonly DeskText[] {
    return [...this.#texts];
  }

  answer(id: string): boolean {
    return this.#find(id)?.call.phone.answer() ?? false;
  }

  hangUp(id: string): boolean {
    const one = this.#find(id);
    if (one === undefined || isOver(one)) return false;
    one.call.phone.hangUp();
    return true;
  }

  press(id: string, keys: string): boolean {
    const one = this.#find(id);
    if (one === undefined || shown(one).state !== 'talking' || !KEYS.test(keys)) return false;
    one.call.phone.press(keys);
    one.pressed += keys;
    return true;
  }

  recording(id: string): Uint8Array | undefined {
    const one = this.#find(id);
    if (one === undefined || !isOver(one)) return undefined;
    const { heard } = one.call.phone;
    return heard.samples.length === 0 ? undefined : formatWav(heard);
  }

  #find(id: string): OnDesk | undefined {
    return this.#phones.find((one) => one.id === id);
  }
}

function isOver({ call }: OnDesk): boolean {
  return call.phone.record.end !== null;
}

function shown({ id, call, reachedAt, pressed, heard }: OnDesk): DeskPhone {
  const { ringingAt, answeredAt, endedAt, end } = call.phone.record;
  return {
    id,
    sipCallId: call.callId,
    number: call.number,
    caller: shownCaller(call.invite) ?? null,
    what: call.behaviour.what,
    state:
      end !== null ? 'over' : answeredAt !== null ? 'talking' : ringingAt !== null ? 'ringing' : 'reached',
    end,
    reachedAt,
    answeredAt,
    endedAt,
    pressed,
    heard,
  };
}
