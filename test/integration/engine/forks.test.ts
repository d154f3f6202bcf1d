import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EmbeddedEngine } from '../../../src/engine/embedded/embedded-engine.ts';
import { responseTo } from '../../../src/sip/response.ts';
import { startEmbedded } from '../../support/embedded.ts';
import { eventually } from '../../support/eventually.ts';
import { courseOf, eventsOf, gistOf, legTo } from '../../support/legs.ts';
import { startAnswering } from '../../support/sip/answering-endpoint.ts';

const FORKS = 300;
const faults: unknown[] = [];
let engine: EmbeddedEngine;

beforeAll(async () => {
  engine = await startEmbedded({ onFault: (error) => faults.push(error) });
});
afterAll(() => engine.close(AbortSignal.timeout(2000)));

it('keeps no more early dialogs of a call than phones can ring', async () => {
  const far = await startAnswering({
    answer: (handle) => {
      const { method } = handle.request;
      if (method !== 'INVITE') return handle.respond(responseTo(handle.request, 200));
      for (let fork = 0; fork < FORKS; fork++)
        handle.respond(
          responseTo(handle.request, fork === FORKS - 1 ? 180 : 183, {
            toTag: `fork${fork}`,
            headers: [['Contact', '<sip:phone@127.0.0.1:9>']],
          }),
        );
      handle.respond(responseTo(handle.request, 486, { toTag: 'busy' }));
    },
  });
  const events = await eventsOf(engine, legTo(far.endpoint.port, '4930', { transport: 'tcp' }));
  expect(gistOf(events)).toBe('rejected 486');
  expect(courseOf(events).replaceAll('progress ', '')).toBe('trying ringing ended');
  const ringing = events.find(({ type }) => type === 'ringing');
  const tags = new Set(JSON.stringify(ringing).match(/\bfork\d+/g));
  expect(tags.has('fork0')).toBe(true);
  expect(tags.size).toBeLessThan(100);
  await eventually(() => expect(engine.held()).toMatchObject({ legs: 0, dialogs: 0 }));
  await far.endpoint.close();
  expect(faults).toEqual([]);
});
