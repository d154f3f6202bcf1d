import { z } from 'zod';
import { address, host, hostPattern, milliseconds, port, section } from './config-values.ts';

/** How clients are told what happened. */
export const webhooks = section({
  allowedHosts: z.array(hostPattern).max(1000).default([]),
  internalHosts: z
    .array(z.strictObject({ host, address, port: port.optional() }))
    .max(100)
    .default([]),
  timeoutMs: milliseconds(100, 60_000).default(10_000),
  firstPauseMs: milliseconds(10, 600_000).default(5000),
  longestPauseMs: milliseconds(10, 86_400_000).default(1_800_000),
  giveUpSeconds: z.int().min(1).max(604_800).default(86_400),
  lookMs: milliseconds(20, 600_000).default(5000),
  maxConcurrent: z.int().min(1).max(1000).default(100),
  maxPerHost: z.int().min(1).max(100).default(8),
}).refine(({ firstPauseMs, longestPauseMs }) => firstPauseMs <= longestPauseMs, {
  error: 'expected firstPauseMs not to be above longestPauseMs',
});
