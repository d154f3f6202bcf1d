import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The service and a lab carrier, each in a process of its own. */
export interface BenchSite {
  readonly url: string;
  readonly servicePid: number;
  readonly carrierPid: number;
  /** When the INVITE to a number reached the carrier, epoch milliseconds with fractions. */
  readonly invitedAt: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

export async function startBenchSite(
  sinkPort: number,
  maxConcurrent: number,
  maxCallMs: number,
): Promise<BenchSite> {
  const folder = mkdtempSync(join(tmpdir(), 'voice-otp-bench-'));
  const carrier = run(['bench/carrier.ts', String(sinkPort)]);
  const invitedAt = new Map<string, number>();
  const carrierPort = await new Promise<number>((resolve) => {
    lines(carrier, (line) => {
      if (!line.startsWith('{')) return resolve(Number(line));
      const call = JSON.parse(line) as { number: string; invitedAt: number };
      invitedAt.set(call.number, call.invitedAt);
    });
  });
  const config = join(folder, 'config.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      api: { port: 0, rateLimit: { max: 1_000_000 } },
      destinations: { countries: 'all' },
      limits: {
        number: { perMinute: null, perHour: null, perDay: null, pausesSeconds: [] },
        prefix: { perHour: null },
      },
      sip: { host: '127.0.0.1', port: 0 },
      rtp: { portMin: 20_000, portMax: 32_001 },
      trunks: [{ id: 'bench', host: '127.0.0.1', port: carrierPort, cli: '+442079460999', codecs: ['PCMU'] }],
      calls: { maxConcurrent, maxCallMs },
      store: { path: join(folder, 'store.db'), keyFile: join(folder, 'master.key') },
    }),
  );
  const service = run(['src/main.ts', 'serve', '--config', config]);
  const url = await new Promise<string>((resolve) => {
    lines(service, (line) => {
      const { url: listening } = JSON.parse(line) as { url?: string };
      // The lines of the requests that follow are not worth the driver's time.
      if (listening !== undefined) {
        service.stdout?.removeAllListeners('data').resume();
        resolve(listening);
      }
    });
  });
  const close = async (): Promise<void> => {
    await Promise.all([carrier, service].map(stop));
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, servicePid: service.pid ?? 0, carrierPid: carrier.pid ?? 0, invitedAt, close };
}

function run(args: readonly string[]): ChildProcess {
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  return spawn(process.execPath, ['--import', 'tsx', ...args], { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
}

function lines(child: ChildProcess, on: (line: string) => void): void {
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', on);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
