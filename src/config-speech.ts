import { z } from 'zod';
import { ttsProviderSchema } from './config-tts.ts';
import { address, host, hostPattern, locale, milliseconds, path, port, section } from './config-values.ts';

const MEGABYTE = 1_000_000;
const bytes = (min: number, max: number) => z.int().min(min).max(max);
const sentence = z
  .string()
  .min(1)
  .max(500)
  .refine((text) => !/\p{Cc}/u.test(text), { error: 'expected no control characters' });

/** The words around a code; `{code}` stands where the code is said, `{key}` where a gate's key is. */
const template = z.strictObject({
  greeting: sentence,
  again: sentence,
  goodbye: sentence,
  press: sentence.optional(),
  enter: sentence.optional(),
  confirmed: sentence.optional(),
});

const urls = section({
  allowedHosts: z.array(hostPattern).max(1000).default([]),
  internalHosts: z
    .array(z.strictObject({ host, address, port: port.optional() }))
    .max(100)
    .default([]),
  timeoutMs: milliseconds(100, 60_000).default(5000),
  maxBytes: bytes(1000, 100 * MEGABYTE).default(5 * MEGABYTE),
  maxSeconds: z.int().min(1).max(600).default(60),
  memoryBytes: bytes(MEGABYTE, 4000 * MEGABYTE).default(32 * MEGABYTE),
});

/** How text is spoken, and what may be played. */
export const speech = section({
  voice: z.enum(['recorded', 'tts']).default('recorded'),
  providers: z
    .array(ttsProviderSchema)
    .max(10)
    .prefault([{ type: 'espeak', id: 'espeak' }]),
  timeoutMs: milliseconds(100, 60_000).default(5000),
  deadlineMs: milliseconds(100, 60_000).default(8000),
  maxConcurrent: z.int().min(1).max(100).default(4),
  prewarm: z.array(locale).max(100).default([]),
  templates: z.record(locale, template).default({}),
  cache: section({
    folder: path.default('./data/speech'),
    maxBytes: bytes(MEGABYTE, 100_000 * MEGABYTE).default(256 * MEGABYTE),
    memoryBytes: bytes(MEGABYTE, 10_000 * MEGABYTE).default(64 * MEGABYTE),
  }),
  urls,
  playlist: section({
    maxItems: z.int().min(1).max(100).default(50),
    maxSeconds: z.int().min(1).max(600).default(120),
  }),
});
