import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ServerAction,
  type ServerInput,
  type ServerTimer,
  type ServerTransaction,
  startServer,
  stepServer,
} from '../../../src/sip/server-transaction.ts';
import { DEFAULT_TIMERS } from '../../../src/sip/timers.ts';

const T = DEFAULT_TIMERS;
const respond = (status: number): ServerInput => ({ type: 'respond', status });
const fire = (timer: ServerTimer): ServerInput => ({ type: 'timer', timer });

const words = (actions: readonly ServerAction[]): string[] =>
  actions.map((action) => {
    if (action.type === 'start') return `start ${action.timer} ${action.ms}`;
    return action.type === 'stop' ? `stop ${action.timer}` : action.type;
  });

const INPUTS: Readonly<Record<string, ServerInput>> = {
  request: { type: 'request' },
  ack: { type: 'ack' },
  '1xx': respond(180),
  '2xx': respond(200),
  '3xx-6xx': respond(486),
  G: fire('G'),
  H: fire('H'),
  I: fire('I'),
  J: fire('J'),
  L: fire('L'),
};

type Row = Readonly<Record<string, [state: string, actions: string[]]>>;

/** Expects a row's inputs to do what it says, and every other input to do nothing at all. */
function check(tx: ServerTransaction, row: Row): void {
  for (const [name, input] of Object.entries(INPUTS)) {
    const [next, actions] = stepServer(tx, input, T);
    const [state, wanted] = row[name] ?? [tx.state, []];
    expect([name, next.state, words(actions)]).toEqual([name, state, wanted]);
  }
}

const invite = (state: ServerTransaction['state'], reliable = false): ServerTransaction => ({
  ...{ type: 'invite', reliable, state, intervalMs: T.t1Ms },
});
const other = (state: ServerTransaction['state'], reliable = false): ServerTransaction => ({
  ...{ type: 'non_invite', reliable, state, intervalMs: T.t1Ms },
});

describe('INVITE server transaction (RFC 3261 figure 7, RFC 6026 §7.1)', () => {
  it('starts in Proceeding', () => {
    expect(startServer('invite', false, T)).toEqual(invite('proceeding'));
  });

  it.each([false, true])('Proceeding, reliable %s', (reliable) => {
    check(invite('proceeding', reliable), {
      request: ['proceeding', ['send']],
      '1xx': ['proceeding', ['send']],
      '2xx': ['accepted', ['send', 'start L 32000']],
      '3xx-6xx': ['completed', ['send', 'start H 32000', ...(reliable ? [] : ['start G 500'])]],
    });
  });

  it.each([false, true])('Completed, reliable %s', (reliable) => {
    check(invite('completed', reliable), {
      request: ['completed', ['send']],
      ack: reliable
        ? ['terminated', ['stop G', 'stop H']]
        : ['confirmed', ['stop G', 'stop H', 'start I 5000']],
      G: ['completed', ['send', 'start G 1000']],
      H: ['terminated', ['timeout']],
    });
  });

  it('Confirmed: more ACKs and INVITEs are absorbed', () => {
    check(invite('confirmed'), { I: ['terminated', []] });
  });

  it('Accepted: the user sends its 2xx again; a repeated INVITE is absorbed', () => {
    check(invite('accepted'), { '2xx': ['accepted', ['send']], L: ['terminated', []] });
  });

  it('Terminated', () => check(invite('terminated'), {}));

  it('repeats a refusal after T1, 2·T1 … up to T2 (§17.2.1)', () => {
    let [tx, actions] = stepServer(startServer('invite', false, T), respond(486), T);
    const starts: number[] = [];
    for (let i = 0; i < 6; i++) {
      starts.push(...actions.flatMap((a) => (a.type === 'start' && a.timer === 'G' ? [a.ms] : [])));
      [tx, actions] = stepServer(tx, fire('G'), T);
    }
    expect(starts).toEqual([500, 1000, 2000, 4000, 4000, 4000]);
  });
});

describe('other server transactions (RFC 3261 figure 8)', () => {
  it('starts in Trying', () => {
    expect(startServer('non_invite', true, T)).toEqual(other('trying', true));
  });

  it.each([false, true])('Trying and Proceeding, reliable %s', (reliable) => {
    const final: [string, string[]] = reliable
      ? ['terminated', ['send']]
      : ['completed', ['send', 'start J 32000']];
    // In Trying there is no response yet to send again.
    check(other('trying', reliable), { '1xx': ['proceeding', ['send']], '2xx': final, '3xx-6xx': final });
    check(other('proceeding', reliable), {
      request: ['proceeding', ['send']],
      '1xx': ['proceeding', ['send']],
      '2xx': final,
      '3xx-6xx': final,
    });
  });

  it('Completed: the request again brings the response again; other responses are discarded', () => {
    check(other('completed'), { request: ['completed', ['send']], J: ['terminated', []] });
  });

  it('Terminated', () => check(other('terminated'), {}));
});

describe('any sequence of inputs', () => {
  const anyStart = fc.record({
    type: fc.constantFrom('invite' as const, 'non_invite' as const),
    reliable: fc.boolean(),
    inputs: fc.array(fc.constantFrom(...Object.values(INPUTS)), { maxLength: 40 }),
  });

  it('terminated is the end, one timeout at most, and a final response leaves a timer that ends it', () => {
    fc.assert(
      fc.property(anyStart, ({ type, reliable, inputs }) => {
        const running = new Set<ServerTimer>();
        let tx = startServer(type, reliable, T);
        let timeouts = 0;
        for (const input of inputs) {
          if (input.type === 'timer' && !running.delete(input.timer)) continue;
          const before = tx.state;
          const [next, actions] = stepServer(tx, input, T);
          tx = next;
          for (const action of actions) {
            if (action.type === 'start') running.add(action.timer);
            if (action.type === 'stop') running.delete(action.timer);
            if (action.type === 'timeout') timeouts++;
          }
          if (before === 'terminated') expect([next.state, actions]).toEqual(['terminated', []]);
          const answered = !['trying', 'proceeding', 'terminated'].includes(next.state);
          if (answered)
            expect((['H', 'I', 'J', 'L'] as const).some((timer) => running.has(timer))).toBe(true);
        }
        expect(timeouts).toBeLessThanOrEqual(1);
      }),
    );
  });
});
