import { describe, expect, it } from 'vitest';
import { HEALTH_RULES } from '../../../src/trunk/health.ts';
import { LAB_TRUNK, type Site, startSite } from '../../support/app/site.ts';
import { eventually } from '../../support/eventually.ts';
import { freePorts } from '../../support/free-ports.ts';
import { startCarrier } from '../../support/lab.ts';

interface TrunkJson {
  readonly id: string;
  readonly condition: string;
  readonly reasons: readonly {
    readonly condition: string;
    readonly since: string;
    readonly detail: string;
  }[];
}

/** What is not answered lasts 64 × T1, and there are three of them. */
const PATIENT = { timeoutMs: 50_000, intervalMs: 50 };

const FLASH_POOL = [{ first: '+498990001000', last: '+498990001199' }];

let numbers = 0;

async function trunk({ client }: Site, id: string): Promise<TrunkJson> {
  const { body } = await client.ask<{ trunks: readonly TrunkJson[] }>('GET', '/v1/trunks');
  return body.trunks.find((one) => one.id === id) ?? { id, condition: 'none', reasons: [] };
}

/** The attempts of a call to a phone that does what the suffix says, whoever carries it. */
async function attempts(
  { client }: Site,
  suffix = '486',
  request: Readonly<Record<string, unknown>> = {},
): Promise<readonly string[]> {
  numbers += 1;
  const { callId } = await client.start({ to: `+4420${20_000 + numbers}${suffix}`, ...request });
  const call = await client.ended(callId);
  return call.attempts.map(({ trunkId, disposition }) => `${trunkId} ${disposition}`);
}

/** OPTIONS that left for a port, each once however often it was sent: when it was sent first, epoch ms. */
function probesTo({ wire }: Site, port: number): readonly number[] {
  const first = new Map<string, number>();
  for (const { direction, peer, text, at } of wire) {
    const callId = /^Call-ID: *(\S+)/im.exec(text)?.[1] ?? '';
    const isProbe = direction === 'out' && peer.port === port && text.startsWith('OPTIONS ');
    if (isProbe && !first.has(callId)) first.set(callId, at);
  }
  return [...first.values()];
}

describe.concurrent('a trunk that dies', () => {
  it.each([
    { transport: 'udp', failure: 'trunk_timeout', detail: /no response/ },
    { transport: 'tcp', failure: 'trunk_failure', detail: /ECONNREFUSED/ },
  ] as const)(
    'is left within three probes, and comes back ($transport)',
    async ({ transport, failure, detail }) => {
      // It comes back on the same port: nobody else is to have been given that meanwhile.
      const port = await freePorts(1);
      const { carrier: alive } = await startCarrier({ port });
      const more = { ...LAB_TRUNK, optionsIntervalSeconds: 1, flashPool: FLASH_POOL };
      const site = await startSite({
        settings: { sip: { t1Ms: 50 }, flash: { ringHoldMs: 500 } },
        trunks: (otherPort) => [
          { ...more, id: 'first', transport, port },
          { ...more, id: 'second', port: otherPort },
        ],
      });
      try {
        await eventually(() => expect(probesTo(site, port).length).toBeGreaterThan(0));
        expect(await attempts(site)).toEqual(['first busy']);

        const diedAt = Date.now();
        await alive.close();
        // Where the machine is slow, the trunk may be known to be dead before this call.
        const [last, ...before] = (await attempts(site)).toReversed();
        expect(last).toBe('second busy');
        for (const one of before) expect(one).toBe(`first ${failure}`);
        const [reason] = await eventually(async () => {
          const { condition, reasons } = await trunk(site, 'first');
          expect(condition).toBe('down');
          return reasons;
        }, PATIENT);
        expect(reason?.detail).toMatch(detail);
        const downAt = Date.parse(reason?.since ?? '');
        const inVain = probesTo(site, port).filter((at) => at >= diedAt && at <= downAt);
        expect(inVain.length).toBeLessThanOrEqual(HEALTH_RULES.failures);
        expect(await attempts(site)).toEqual(['second busy']);
        expect(await attempts(site, '180', { channel: 'flash' })).toEqual(['second rang']);

        const { carrier: back } = await startCarrier({ port });
        try {
          await eventually(async () => expect((await trunk(site, 'first')).condition).toBe('up'), PATIENT);
          expect(await attempts(site)).toEqual(['first busy']);
          expect((await trunk(site, 'second')).condition).toBe('up');
        } finally {
          await back.close();
        }
        expect(site.faults()).toEqual([]);
      } finally {
        await site.close();
        await alive.close();
      }
    },
  );
});
