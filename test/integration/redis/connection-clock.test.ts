import { expect, it } from 'vitest';
import { redisClock } from '../../../src/redis/clock.ts';
import { describeWithPeer } from '../../support/peers.ts';
import { expectAway, expectBack, readyLinkTo } from '../../support/redis-outage.ts';
import { RedisServer } from '../../support/redis-server.ts';

describeWithPeer('redis-server', 'the clock of a real Redis', () => {
  it('agrees with it before, while and after it is away', async () => {
    const server = await RedisServer.start();
    const link = await readyLinkTo({ url: `redis://127.0.0.1:${server.port}` });
    const clock = redisClock(link.client, 'votp');
    /** Bounds that hold however slow the machine is: the server looks at its clock between the two. */
    const expectAgreement = async (): Promise<void> => {
      const before = clock.now();
      const [seconds, micros] = await server.ask((client) => client.time());
      const after = clock.now();
      const time = Number(seconds) * 1000 + Number(micros) / 1000;
      // What half of the best of five round trips may be wrong by.
      expect(time).toBeGreaterThan(before - 50);
      expect(time).toBeLessThan(after + 50);
    };
    try {
      await clock.start();
      await expectAgreement();
      await server.stop('SIGKILL');
      await expectAway(() => link.client.time());
      const away = clock.now();
      await expect(clock.measure()).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(clock.now()).toBeGreaterThanOrEqual(away);
      await server.again();
      await expectBack(() => link.client.time());
      await clock.measure();
      await expectAgreement();
    } finally {
      clock.close();
      await link.close();
      await server.remove();
    }
  });
});
