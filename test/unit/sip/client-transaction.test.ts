import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ClientAction,
  type ClientInput,
  type ClientTimer,
  type ClientTransaction,
  startClient,
  stepClient,
} from '../../../src/sip/client-transaction.ts';
import { DEFAULT_TIMERS } from '../../../src/sip/timers.ts';

const T = DEFAULT_TIMERS;
const respond = (status: number): ClientInput => ({ type: 'response', status });
const fire = (timer: ClientTimer): ClientInput => ({ type: 'timer', timer });
const ERROR: ClientInput = { type: 'transport_error' };
const HUSH: ClientInput = { type: 'hush' };

/** Actions as short words: `send`, `start B 32000`, `stop A`. */
const words = (actions: readonly ClientAction[]): string[] =>
  actions.map((action) => {
    if (action.type === 'start') return `start ${action.timer} ${action.ms}`;
    return action.type === 'stop' ? `stop ${action.timer}` : action.type;
  });

/** All inputs that there are, with names. */
const INPUTS: Readonly<Record<string, ClientInput>> = {
  '1xx': respond(180),
  '2xx': respond(200),
  '3xx-6xx': respond(486),
  A: fire('A'),
  B: fire('B'),
  D: fire('D'),
  E: fire('E'),
  F: fire('F'),
  K: fire('K'),
  M: fire('M'),
  error: ERROR,
  hush: HUSH,
};

type Row = Readonly<Record<string, [state: string, actions: string[]]>>;

/** Expects a row's inputs to do what it says, and every other input to do nothing at all. */
function check(tx: ClientTransaction, row: Row): void {
  for (const [name, input] of Object.entries(INPUTS)) {
    const [next, actions] = stepClient(tx, input, T);
    const [state, wanted] = row[name] ?? [tx.state, []];
    expect([name, next.state, words(actions)]).toEqual([name, state, wanted]);
  }
}

const invite = (state: ClientTransaction['state'], reliable = false): ClientTransaction => ({
  ...{ type: 'invite', reliable, state, intervalMs: T.t1Ms },
});
const other = (state: ClientTransaction['state'], reliable = false): ClientTransaction => ({
  ...{ type: 'non_invite', reliable, state, intervalMs: T.t1Ms },
});

describe('INVITE client transaction (RFC 3261 figure 5, RFC 6026 §7.2)', () => {
  const quiet = ['stop A', 'stop B'];

  it('starts in Calling with Timers A and B; over TCP without A', () => {
    const [tx, actions] = startClient('invite', false, T);
    expect(tx.state).toBe('calling');
    expect(words(actions)).toEqual(['send', 'start A 500', 'start B 32000']);
    expect(words(startClient('invite', true, T)[1])).toEqual(['send', 'start B 32000']);
  });

  it.each([false, true])('Calling, reliable %s', (reliable) => {
    check(invite('calling', reliable), {
      '1xx': ['proceeding', [...quiet, 'deliver']],
      '2xx': ['accepted', [...quiet, 'deliver', 'start M 32000']],
      '3xx-6xx': reliable
        ? ['terminated', [...quiet, 'send_ack', 'deliver']]
        : ['completed', [...quiet, 'send_ack', 'deliver', 'start D 32000']],
      A: ['calling', ['send', 'start A 1000']],
      B: ['terminated', ['timeout']],
      error: ['terminated', ['transport_error']],
      hush: ['calling', ['stop A']],
    });
  });

  it.each([false, true])('Proceeding, reliable %s', (reliable) => {
    check(invite('proceeding', reliable), {
      '1xx': ['proceeding', [...quiet, 'deliver']],
      '2xx': ['accepted', [...quiet, 'deliver', 'start M 32000']],
      '3xx-6xx': reliable
        ? ['terminated', [...quiet, 'send_ack', 'deliver']]
        : ['completed', [...quiet, 'send_ack', 'deliver', 'start D 32000']],
      error: ['terminated', ['transport_error']],
    });
  });

  it('Completed: another final response gets another ACK and is not delivered', () => {
    check(invite('completed'), {
      '3xx-6xx': ['completed', ['send_ack']],
      D: ['terminated', []],
      K: ['terminated', []],
      // The user has the final response: an ACK that could not be sent is nobody's news.
      error: ['terminated', []],
    });
  });

  it('Accepted: every 2xx is delivered, nothing else is', () => {
    check(invite('accepted'), { '2xx': ['accepted', ['deliver']], M: ['terminated', []] });
  });

  it('Terminated', () => check(invite('terminated'), {}));

  it('retransmits after T1, 2·T1, 4·T1 … without a cap (§17.1.1.2)', () => {
    let [tx, actions] = startClient('invite', false, T);
    const starts: number[] = [];
    for (let i = 0; i < 7; i++) {
      starts.push(...actions.flatMap((a) => (a.type === 'start' && a.timer === 'A' ? [a.ms] : [])));
      [tx, actions] = stepClient(tx, fire('A'), T);
      expect(words(actions)[0]).toBe('send');
    }
    expect(starts).toEqual([500, 1000, 2000, 4000, 8000, 16000, 32000]);
  });
});

describe('other client transactions (RFC 3261 figure 6)', () => {
  const quiet = ['stop E', 'stop F', 'deliver'];

  it('starts in Trying with Timers E and F; over TCP without E', () => {
    const [tx, actions] = startClient('non_invite', false, T);
    expect(tx.state).toBe('trying');
    expect(words(actions)).toEqual(['send', 'start E 500', 'start F 32000']);
    expect(words(startClient('non_invite', true, T)[1])).toEqual(['send', 'start F 32000']);
  });

  it.each([
    ['trying', 1000],
    ['proceeding', 4000],
  ] as const)('%s', (state, nextMs) => {
    for (const reliable of [false, true]) {
      const final: [string, string[]] = reliable
        ? ['terminated', quiet]
        : ['completed', [...quiet, 'start K 5000']];
      check(other(state, reliable), {
        '1xx': ['proceeding', ['deliver']],
        '2xx': final,
        '3xx-6xx': final,
        E: [state, ['send', `start E ${nextMs}`]],
        F: ['terminated', ['timeout']],
        error: ['terminated', ['transport_error']],
      });
    }
  });

  it('Completed: late responses are absorbed', () => {
    check(other('completed'), { D: ['terminated', []], K: ['terminated', []], error: ['terminated', []] });
  });

  it('Terminated', () => check(other('terminated'), {}));

  it('retransmits after T1, 2·T1 … up to T2, and every T2 once a provisional came (§17.1.2.2)', () => {
    const intervals = (provisionalAfter: number): number[] => {
      let [tx, actions] = startClient('non_invite', false, T);
      const starts: number[] = [];
      for (let i = 0; i < 6; i++) {
        starts.push(...actions.flatMap((a) => (a.type === 'start' && a.timer === 'E' ? [a.ms] : [])));
        if (i === provisionalAfter) [tx] = stepClient(tx, respond(100), T);
        [tx, actions] = stepClient(tx, fire('E'), T);
      }
      return starts;
    };
    expect(intervals(99)).toEqual([500, 1000, 2000, 4000, 4000, 4000]);
    expect(intervals(1)).toEqual([500, 1000, 4000, 4000, 4000, 4000]);
  });
});

describe('any sequence of inputs', () => {
  const anyInput = fc.oneof(
    fc.integer({ min: 100, max: 699 }).map(respond),
    fc.constantFrom<ClientInput>(...Object.values(INPUTS)),
  );
  const anyStart = fc.record({
    type: fc.constantFrom('invite' as const, 'non_invite' as const),
    reliable: fc.boolean(),
    inputs: fc.array(anyInput, { maxLength: 40 }),
  });

  it('tells the user one end at most, and terminated is the end', () => {
    fc.assert(
      fc.property(anyStart, ({ type, reliable, inputs }) => {
        let [tx] = startClient(type, reliable, T);
        let ends = 0;
        let accepted = false;
        for (const input of inputs) {
          const before = tx.state;
          const [next, actions] = stepClient(tx, input, T);
          tx = next;
          const final = input.type === 'response' && input.status >= 200;
          const told = actions.filter(
            (a) => a.type === 'timeout' || a.type === 'transport_error' || (a.type === 'deliver' && final),
          );
          accepted ||= next.state === 'accepted';
          // Forked and repeated 2xx to an INVITE all reach the user; apart from those there is one end.
          if (before === 'accepted') expect(told.every((a) => a.type === 'deliver')).toBe(true);
          else ends += told.length;
          if (before === 'terminated') expect([next.state, actions]).toEqual(['terminated', []]);
          expect(next).toMatchObject({ type, reliable });
        }
        expect(ends).toBeLessThanOrEqual(1);
        if (accepted) expect(['accepted', 'terminated']).toContain(tx.state);
      }),
    );
  });

  it('never waits without a timer that ends it, but for an INVITE that is ringing', () => {
    fc.assert(
      fc.property(anyStart, ({ type, reliable, inputs }) => {
        const running = new Set<ClientTimer>();
        const note = (actions: readonly ClientAction[]) => {
          for (const action of actions) {
            if (action.type === 'start') running.add(action.timer);
            if (action.type === 'stop') running.delete(action.timer);
          }
        };
        let [tx, actions] = startClient(type, reliable, T);
        note(actions);
        for (const input of inputs) {
          // A timer that does not run does not fire.
          if (input.type === 'timer' && !running.delete(input.timer)) continue;
          [tx, actions] = stepClient(tx, input, T);
          note(actions);
          const ends = (['B', 'D', 'F', 'K', 'M'] as const).some((timer) => running.has(timer));
          const rings = type === 'invite' && tx.state === 'proceeding';
          expect(ends || rings || tx.state === 'terminated').toBe(true);
        }
      }),
    );
  });
});
