import { Stage } from './stage.ts';
import { SOURCE } from './nodes.ts';
const stage = await Stage.start({ store: 'redis', nodes: 1, trunks: [{ id: 'a', cps: 10, channels: 10 }], program: SOURCE, maxConcurrent: 50, maxCallMs: 2000 });
const post = async (i: number) => {
  const r = await fetch(`${stage.urls[0]}/v1/verifications`, { method: 'POST', headers: { 'content-type': 'application/json', 'idempotency-key': `k${i}` }, body: JSON.stringify({ to: `+49300000${i}100`, repeat: 1, code: '123456' }) });
  return { status: r.status, replayed: r.headers.get('idempotency-replayed'), body: (await r.json()) as { callId?: string } };
};
const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));
console.log('plain', (await post(11)).status);
await sleep(3000);
process.kill(stage.redis!.pid, 'SIGSTOP');
const during = await Promise.all([21, 22, 23, 24].map(post));
process.kill(stage.redis!.pid, 'SIGCONT');
console.log('while redis stood still', during.map((d) => d.status));
await sleep(2000);
const after = await Promise.all([21, 22, 23, 24].map(post));
console.log('afterwards', after.map((d) => [d.status, d.replayed]));
for (let i = 0; i < 5; i++) {
  await sleep(8000);
  const states = await Promise.all(after.map(async ({ body }) => ((await (await fetch(`${stage.urls[0]}/v1/calls/${body.callId}`)).json()) as { state: string; disposition: string }).state));
  console.log(`after ${(i + 1) * 8} s`, states);
}
await stage.close(false);
process.exit(0);
