/**
 * `npm run bench`: all figures from one run, through the API, the store, SIP and RTP, on this machine.
 *
 * Calls are asked for at a steady rate and each lasts `--hold` seconds of a code said five times, so that after
 * one call's length as many are up as the rate times that length, and as many are set up as torn down each
 * second. Lateness is measured at the receiver, by the kernel's timestamps (see rtpsink.c).
 */
import { parseArgs } from 'node:util';
import { speechMs } from '../src/media/speech.ts';
import { PromptLibrary } from '../src/prompt/library.ts';
import { recordedPrompts } from '../test/support/recorded-prompt.ts';
import { cpuPercent, type Usage, usageOf } from './process-usage.ts';
import { startSink } from './rtp.ts';
import { type BenchSite, startBenchSite } from './site.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '50' },
    hold: { type: 'string', default: '40.5' },
    seconds: { type: 'string', default: '20' },
  },
});
const ratePerSecond = Number(values.rate);
const measureMs = Number(values.seconds) * 1000;

const REPEAT = 5;
/** The longest prompt is cut here, so that calls last as long as the number of them that is wanted. */
const HOLD_MS = 1000 * Number(values.hold);
/** From the INVITE to the answer. */
const BEFORE_ANSWER_MS = 310;
const FLAT_OUT_CALLS = 3000;
const FLAT_OUT_AT_ONCE = 64;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

let lastNumber = 0;
/** A possible German number that no other call of the run has; the lab goes by the last three digits. */
function nextNumber(suffix: string): string {
  return `+4930${String(lastNumber++).padStart(5, '0')}${suffix}`;
}

async function post(site: BenchSite, to: string): Promise<{ status: number; callId: string }> {
  const response = await fetch(`${site.url}/v1/verifications`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to, repeat: REPEAT }),
  });
  const { callId = '' } = (await response.json()) as { callId?: string };
  return { status: response.status, callId };
}

async function activeCalls(site: BenchSite): Promise<number> {
  const text = await (await fetch(`${site.url}/metrics`)).text();
  return Number(/^voice_otp_active_calls (\d+)$/m.exec(text)?.[1]);
}

/** Asks for calls at the rate until the time is over; answers the time from each POST to its INVITE, milliseconds. */
async function load(
  site: BenchSite,
  forMs: number,
): Promise<{ delays: () => number[]; refused: () => number }> {
  const postedAt = new Map<string, number>();
  let refused = 0;
  const start = performance.now();
  const pending: Promise<void>[] = [];
  for (let i = 0; performance.now() - start < forMs; i++) {
    await sleep(Math.max(0, start + (i * 1000) / ratePerSecond - performance.now()));
    const to = nextNumber('200');
    postedAt.set(to, performance.timeOrigin + performance.now());
    pending.push(
      post(site, to).then(({ status }) => {
        if (status !== 201) refused++;
      }),
    );
  }
  await Promise.all(pending);
  // Those of the ramp are left out: the process has just started then, and compiles what it runs for the first time.
  const steadyFrom = performance.timeOrigin + start + rampMs;
  const delays = () =>
    [...postedAt]
      .filter(([, at]) => at >= steadyFrom)
      .map(([number, at]) => (site.invitedAt.get(number) ?? Number.NaN) - at)
      .filter((ms) => !Number.isNaN(ms))
      .sort((a, b) => a - b);
  return { delays, refused: () => refused };
}

/** Calls to a busy number, as many as go: complete calls a second, from the POST to the stored end. */
async function flatOut(site: BenchSite): Promise<number> {
  let left = FLAT_OUT_CALLS;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: FLAT_OUT_AT_ONCE }, async () => {
      while (left-- > 0) await post(site, nextNumber('486'));
    }),
  );
  while ((await activeCalls(site)) > 0) await sleep(20);
  return FLAT_OUT_CALLS / ((performance.now() - start) / 1000);
}

const library = await PromptLibrary.load(new URL('../sounds', import.meta.url).pathname);
const prompt = (await recordedPrompts(library))('123456', REPEAT);
const holdMs = Math.min(HOLD_MS, speechMs(prompt)) + BEFORE_ANSWER_MS;
const rampMs = holdMs + 2000;
const expected = Math.round((ratePerSecond * holdMs) / 1000);
process.stdout.write(
  `ramping up to about ${expected} calls at ${ratePerSecond} calls/s, ${Math.round((rampMs + measureMs) / 1000)} s …\n`,
);

const sink = await startSink(Math.ceil((rampMs + measureMs) / 1000) + 3);
const site = await startBenchSite(sink.port, 2 * expected + 100, HOLD_MS);
try {
  const idle = usageOf(site.servicePid);
  const running = load(site, rampMs + measureMs);
  await sleep(rampMs);
  const before = usageOf(site.servicePid);
  const othersBefore = [site.carrierPid, process.pid].map(usageOf);
  const callsBefore = await activeCalls(site);
  await sleep(measureMs - 500);
  const after = usageOf(site.servicePid);
  const others = [site.carrierPid, process.pid].map(
    (pid, i) => cpuPercent(othersBefore[i] as Usage, usageOf(pid)).all,
  );
  const calls = Math.round((callsBefore + (await activeCalls(site))) / 2);
  const { delays, refused } = await running;
  const figures = await sink.figures;
  const cpu = cpuPercent(before, after);
  const toInvite = delays();
  while ((await activeCalls(site)) > 0) await sleep(500);
  const rate = await flatOut(site);
  const rows: readonly (readonly [string, string])[] = [
    [
      'calls up at the same time',
      `${calls}, with ${ratePerSecond} calls/s set up and ${ratePerSecond} torn down`,
    ],
    ['requests refused', String(refused())],
    [
      'RTP lateness at the receiver',
      Object.entries(figures.late_ms)
        .map(([name, ms]) => `${name} ${ms} ms`)
        .join(', '),
    ],
    ['RTP packets', `${figures.packets} received, ${figures.lost} lost, ${figures.packets_per_s} a second`],
    [
      'CPU of the service',
      `${cpu.all.toFixed(0)} % of a core (busiest threads ${cpu.threads.map((share) => share.toFixed(0)).join(' % and ')} %)`,
    ],
    [
      'CPU of lab carrier and driver',
      `${others.map((share) => share.toFixed(0)).join(' % and ')} % of a core`,
    ],
    ['CPU per call', `${(cpu.all / calls).toFixed(3)} % of a core`],
    [
      'memory per call',
      `${((after.residentBytes - idle.residentBytes) / calls / 1024).toFixed(0)} KiB (${(after.residentBytes / 2 ** 20).toFixed(0)} MiB resident in all)`,
    ],
    [
      'from POST to INVITE at the carrier',
      `p50 ${percentile(toInvite, 0.5).toFixed(1)} ms, p99 ${percentile(toInvite, 0.99).toFixed(1)} ms (${toInvite.length} calls)`,
    ],
    ['set-up rate, flat out', `${rate.toFixed(0)} calls/s from POST to the stored end, to a busy number`],
  ];
  for (const [name, value] of rows) process.stdout.write(`${name.padEnd(36)} ${value}\n`);
} finally {
  await site.close();
}
