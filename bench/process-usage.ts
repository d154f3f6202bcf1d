import { readdirSync, readFileSync } from 'node:fs';

/** What a process has used so far, from /proc (Linux). */
export interface Usage {
  readonly atMs: number;
  /** CPU time of all threads, milliseconds. */
  readonly cpuMs: number;
  /** CPU time of each thread by its id, milliseconds. */
  readonly threads: ReadonlyMap<string, number>;
  readonly residentBytes: number;
}

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

export function usageOf(pid: number): Usage {
  const threads = new Map(
    readdirSync(`/proc/${pid}/task`).map((tid) => [tid, cpuOf(`/proc/${pid}/task/${tid}/stat`)]),
  );
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return {
    atMs: performance.now(),
    cpuMs: cpuOf(`/proc/${pid}/stat`),
    threads,
    residentBytes: pages * PAGE_BYTES,
  };
}

/** CPU time of all threads of a process so far, milliseconds. */
export function cpuMsOf(pid: number): number {
  return cpuOf(`/proc/${pid}/stat`);
}

/** Percent of one core between two readings, and that of the busiest threads, largest first. */
export function cpuPercent(from: Usage, to: Usage): { all: number; threads: number[] } {
  const percent = (ms: number): number => (100 * ms) / (to.atMs - from.atMs);
  const threads = [...to.threads].map(([tid, ms]) => percent(ms - (from.threads.get(tid) ?? 0)));
  return { all: percent(to.cpuMs - from.cpuMs), threads: threads.sort((a, b) => b - a).slice(0, 2) };
}

function cpuOf(file: string): number {
  // The second field is a name in parentheses and may hold spaces.
  const fields = readFileSync(file, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
