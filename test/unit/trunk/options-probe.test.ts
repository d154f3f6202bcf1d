import { describe, expect, it } from 'vitest';
import type { PlainAnswer, PlainRequest } from '../../../src/engine/engine.ts';
import type { Trunk } from '../../../src/trunk/definition.ts';
import { optionsProbe } from '../../../src/trunk/options-probe.ts';
import { someTrunk } from '../../support/records.ts';
import { ScriptedEngine } from '../../support/scripted-engine.ts';

const never = new AbortController().signal;

function answered(status: number, reason: string): PlainAnswer {
  return { kind: 'response', sip: { status, reason } };
}

async function asked(change: Partial<Trunk>): Promise<PlainRequest | undefined> {
  const engine = new ScriptedEngine({});
  await optionsProbe(engine)(someTrunk(change), never);
  return engine.requests[0];
}

describe('optionsProbe', () => {
  it.each([
    [answered(200, 'OK'), { alive: true, detail: '200 OK' }],
    [answered(404, 'Not Found'), { alive: true, detail: '404 Not Found' }],
    [answered(401, 'Unauthorized'), { alive: true, detail: '401 Unauthorized' }],
    [answered(407, ''), { alive: true, detail: '407' }],
    [answered(503, 'Service Unavailable'), { alive: true, detail: '503 Service Unavailable' }],
    [{ kind: 'no_response' }, { alive: false, detail: 'no response' }],
    [
      { kind: 'unreachable', detail: 'ECONNREFUSED' },
      { alive: false, detail: 'ECONNREFUSED' },
    ],
    [{ kind: 'failed', detail: 'no drachtio server is connected' }, null],
  ] as [PlainAnswer, unknown][])('takes %j for %j', async (answer, sign) => {
    const engine = new ScriptedEngine({});
    engine.answering = async () => answer;
    expect(await optionsProbe(engine)(someTrunk(), never)).toEqual(sign);
  });

  it('asks the trunk itself, without a user and without credentials', async () => {
    expect(await asked({ username: 'us' })).toEqual({
      method: 'OPTIONS',
      requestUri: 'sip:alpha.example',
      to: 'sip:alpha.example',
      from: 'sip:voice-otp@alpha.example',
      nextHop: { host: 'alpha.example', transport: 'udp' },
    });
  });

  it('goes the way of the calls', async () => {
    const tls = { serverName: 'edge.example' };
    const outboundProxy = { host: '2001:db8::9', port: 5071, transport: 'tls' } as const;
    expect(await asked({ host: '2001:db8::1', port: 5070, outboundProxy, tls })).toMatchObject({
      requestUri: 'sip:[2001:db8::1]:5070',
      from: 'sip:voice-otp@[2001:db8::1]',
      nextHop: outboundProxy,
      tls,
    });
  });

  it('tells the engine when nobody wants to wait any longer', async () => {
    const engine = new ScriptedEngine({});
    const signals: AbortSignal[] = [];
    engine.answering = async (_, signal) => {
      signals.push(signal);
      return { kind: 'no_response' };
    };
    const abort = new AbortController();
    await optionsProbe(engine)(someTrunk(), abort.signal);
    expect(signals).toEqual([abort.signal]);
  });
});
