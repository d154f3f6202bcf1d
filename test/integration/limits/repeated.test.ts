import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { CallService } from '../../../src/call/call-service.ts';
import { Vault } from '../../../src/verification/vault.ts';
import type { Door } from '../../support/limits/door.ts';
import { openDoor } from '../../support/limits/door.ts';
import { OPEN_ENTRANCE } from '../../support/open-entrance.ts';
import { someTrunk } from '../../support/records.ts';
import { routed } from '../../support/routed.ts';
import { Switchboard } from '../../support/switchboard.ts';

const REQUEST = {
  to: '+4930123456',
  playlist: { items: [{ url: 'http://files.example/hello.wav' }], repeat: 1, repeatPauseMs: 0 },
};

let door: Door;
afterEach(() => door.close());

function callsBehind(opened: Door): CallService {
  return new CallService({
    ...OPEN_ENTRANCE,
    gate: opened.gate,
    store: opened.store,
    dialer: new Switchboard(),
    vault: new Vault(Buffer.alloc(32, 3), randomBytes),
    routing: routed([someTrunk()]).routing,
    callees: { sipTargets: [] },
    prompts: { check: async () => {} },
    now: () => opened.now(),
    newId: (prefix, family) => `${prefix}_${randomBytes(15).toString('hex')}${family}`,
    randomBytes,
  });
}

describe('a call that is asked for many times at once under one Idempotency-Key', () => {
  it('counts once, and each gets its answer', async () => {
    door = await openDoor();
    const calls = callsBehind(door);
    const started = await Promise.all(
      Array.from({ length: 20 }, () => calls.start(REQUEST, 'shop', 'order-7')),
    );
    expect(new Set(started.map(({ call }) => call.id)).size).toBe(1);
    expect(started.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(door.refusals).toEqual([]);
    expect(await door.ask(REQUEST.to)).toBe('admitted');
    expect(await door.ask(REQUEST.to)).toBe('limit_reached');
  });

  it('is tried again where the first came to nothing', async () => {
    door = await openDoor();
    const calls = callsBehind(door);
    const wrong = { ...REQUEST, to: '+881612345678' };
    const answers = await Promise.allSettled([
      calls.start(wrong, 'shop', 'order-7'),
      calls.start(REQUEST, 'shop', 'order-7'),
      calls.start(REQUEST, 'shop', 'order-7'),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  });
});

describe('a call of which somebody is to be asked what it says', () => {
  it('has nobody asked where it is refused, and counts only where there was an answer', async () => {
    door = await openDoor();
    const calls = callsBehind(door);
    const asked: string[] = [];
    const say = async (callId: string) => {
      asked.push(callId);
      return REQUEST.playlist;
    };
    await expect(calls.startAsking({ to: '+881612345678' }, 'shop', say)).rejects.toMatchObject({
      code: 'destination_not_allowed',
    });
    expect(asked).toEqual([]);
    const silent = async (): Promise<never> => {
      throw new Error('no document');
    };
    for (let i = 0; i < 5; i++) {
      await expect(calls.startAsking({ to: REQUEST.to }, 'shop', silent)).rejects.toThrow('no document');
    }
    const { id } = await calls.startAsking({ to: REQUEST.to }, 'shop', say);
    expect(asked).toEqual([id]);
  });
});
