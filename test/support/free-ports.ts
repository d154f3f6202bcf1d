import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Below the ports that systems give out for port 0, and below those that we use for RTP, so that nobody gets one by chance. */
const FIRST_PORT = 10_000;
const LAST_PORT = 16_000;
const FIRST_RTP_PORT = 16_500;
const LAST_RTP_PORT = 32_000;

/** A file for each port that a process of the tests has, with the id of that process. */
const CLAIMS = join(tmpdir(), 'voice-otp-test-ports');
const OURS = join(CLAIMS, `by-${process.pid}`);
let hasBegun = false;

/**
 * The first of so many neighbouring ports, even, that nobody has over UDP or TCP at the moment. They are this process's
 * until it ends: whoever is started on one may bind it much later, and may be away for a while.
 */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 2 * randomInt(FIRST_PORT / 2, LAST_PORT / 2);
    const ports = neighbours(first, count);
    if (!claim(ports)) continue;
    const free = await Promise.all(ports.flatMap((port) => [isFreeUdp(port), isFreeTcp(port)]));
    if (free.every(Boolean)) return first;
  }
}

/** The first of a range of UDP ports, even, that nobody has bound at the moment (proc(5)). */
export async function freeRtpPorts(count: number): Promise<number> {
  const rows = (await readFile('/proc/net/udp', 'utf8')).split('\n').slice(1);
  const bound = rows.map((row) => Number.parseInt(row.trim().split(/\s+/)[1]?.split(':')[1] ?? '', 16));
  for (;;) {
    const first = 2 * randomInt(FIRST_RTP_PORT / 2, (LAST_RTP_PORT - count) / 2);
    if (bound.some((port) => port >= first && port < first + count)) continue;
    if (claim(neighbours(first, count))) return first;
  }
}

const neighbours = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + i);

/** All of them or none: false where another process has one, or this one. */
function claim(ports: readonly number[]): boolean {
  begin();
  const files = ports.map((port) => join(CLAIMS, String(port)));
  for (const [i, file] of files.entries()) {
    try {
      // As one step: whoever finds it can read whose it is.
      linkSync(OURS, file);
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
      for (const taken of files.slice(0, i)) rmSync(taken);
      return false;
    }
  }
  return true;
}

/** What processes had that are no more is free. */
function begin(): void {
  if (hasBegun) return;
  hasBegun = true;
  mkdirSync(CLAIMS, { recursive: true });
  for (const name of readdirSync(CLAIMS)) {
    const file = join(CLAIMS, name);
    const owner = ownerOf(file);
    if (owner === process.pid || !isRunning(owner)) rmSync(file, { force: true });
  }
  writeFileSync(OURS, String(process.pid));
}

/** Undefined where it is gone by now. */
function ownerOf(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isRunning(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !isCode(error, 'ESRCH');
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function isFreeUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ port, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}

function isFreeTcp(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
