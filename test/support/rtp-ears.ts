import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { RtpListener } from '../../src/media/rtp-stream.ts';
import { eventually } from './eventually.ts';
import type { RtpPeer } from './rtp-peer.ts';

/** A listener that keeps what it is told. */
export function ears() {
  const told: string[] = [];
  const listener: RtpListener = {
    onFirstPacket: () => void told.push('first'),
    onDtmf: (digit, durationMs) => void told.push(`${digit}:${durationMs}`),
    onFinished: () => void told.push('finished'),
    onError: (error) => void told.push(`error:${error.reason}`),
  };
  return { told, listener };
}

/** Bytes without silence among them, so that an end can be seen. */
export function prompt(milliseconds: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(randomBytes(milliseconds * 8), (byte) => byte & 0x7f);
}

/** The end of a prompt may be told before this thread has read its last packets. */
export async function heard(peer: RtpPeer, wanted: Buffer): Promise<void> {
  await eventually(() => expect(peer.audio().length).toBeGreaterThanOrEqual(wanted.length));
  expect(peer.audio().subarray(0, wanted.length).equals(wanted)).toBe(true);
}

export async function finished(told: readonly string[]): Promise<void> {
  await eventually(() => expect(told).toContain('finished'));
}
