import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { configFrom } from '../src/config.ts';
import { createLogger } from '../src/log.ts';
import { encodeSpeech } from '../src/media/encoded-speech.ts';
import type { PreparedPrompt } from '../src/prompt/prepared-prompt.ts';
import { Secret } from '../src/secret.ts';
import { type SpeechParts, startSpeech } from '../src/speech.ts';

/** What the prompt of a verification costs: with recorded sounds, and with speech whose clips are there already. */
const PER_SECOND = 200;
const SECONDS = 10;
const HELD = 2000;
const NOBODY = new AbortController().signal;

type Make = (code: string) => Promise<PreparedPrompt>;

function codeOf(index: number): string {
  return String((index * 7919) % 1_000_000).padStart(6, '0');
}

/** CPU of this process for one prompt, with its encoding, at a steady rate; milliseconds. */
async function cpuOf(make: Make): Promise<number> {
  const before = process.cpuUsage();
  const startedAt = performance.now();
  for (let index = 0; index < PER_SECOND * SECONDS; index++) {
    const due = startedAt + (index * 1000) / PER_SECOND;
    if (due > performance.now()) await sleep(due - performance.now());
    const { speech } = await make(codeOf(index));
    encodeSpeech(speech, 'PCMU');
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / (PER_SECOND * SECONDS);
}

/** The same without any prompt: what the waiting itself costs. */
async function cpuOfWaiting(): Promise<number> {
  const before = process.cpuUsage();
  const startedAt = performance.now();
  for (let index = 0; index < PER_SECOND * SECONDS; index++) {
    const due = startedAt + (index * 1000) / PER_SECOND;
    if (due > performance.now()) await sleep(due - performance.now());
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / (PER_SECOND * SECONDS);
}

/** Heap that one more prompt takes as long as its call is up, KiB. */
async function kibHeld(make: Make): Promise<number> {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('run with --expose-gc');
  const held: unknown[] = [];
  collect();
  const before = process.memoryUsage();
  for (let index = 0; index < HELD; index++) {
    const prepared = await make(codeOf(index));
    held.push(prepared, encodeSpeech(prepared.speech, 'PCMU'));
  }
  collect();
  const after = process.memoryUsage();
  const bytes = after.heapUsed + after.external - before.heapUsed - before.external;
  return held.length === 0 ? 0 : bytes / 1024 / HELD;
}

function makers({ prompter }: SpeechParts): Readonly<Record<string, Make>> {
  const code = (locale: string) => (text: string) =>
    prompter.forCode(
      { locale, sayAs: 'digits', repeat: 2, gender: null, template: null },
      new Secret(text),
      NOBODY,
    );
  const tts = (text: string) => {
    const item = { tts: `Your code is ${text}`, sayAs: 'digits', locale: 'en-US' } as const;
    return prompter.forPlaylist({ items: [item], repeat: 2, repeatPauseMs: 1000 }, NOBODY);
  };
  return { 'recorded, en-US': code('en-US'), 'synthesised, nl': code('nl'), 'playlist with a text': tts };
}

const folder = await mkdtemp(join(tmpdir(), 'voice-otp-bench-'));
const config = configFrom({
  trunks: [{ id: 'none', host: '127.0.0.1', cli: '+442079460999' }],
  speech: { cache: { folder } },
});
const speech = await startSpeech(config, createLogger({ level: 'warn' }));
try {
  const idleMs = await cpuOfWaiting();
  process.stdout.write(`${PER_SECOND} prompts a second for ${SECONDS} s each, clips in memory\n`);
  for (const [name, make] of Object.entries(makers(speech))) {
    const { report } = await make('000000');
    const cold = `${report.voices.join(', ')}; first one ${report.preparedMs} ms, ${report.synthesised} pieces synthesised`;
    const ms = (await cpuOf(make)) - idleMs;
    const kib = await kibHeld(make);
    process.stdout.write(`${name}: ${ms.toFixed(3)} ms CPU, ${kib.toFixed(1)} KiB held a prompt; ${cold}\n`);
  }
} finally {
  await speech.close();
  await rm(folder, { recursive: true, force: true });
}
