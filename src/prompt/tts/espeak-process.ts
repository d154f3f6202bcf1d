import type { EspeakModule, EspeakNg } from '@echogarden/espeak-ng-emscripten';
import type { EspeakRequest, FromEspeak } from './espeak-messages.ts';

/**
 * espeak-ng in a process of its own: its licence (GPL) asks for that, it cannot be interrupted, and it is C. It
 * lives as long as the channel to its parent.
 */

const VARIANTS = '/usr/share/espeak-ng-data/voices/!v';

process.on('disconnect', () => process.exit(0));
if (!process.connected) process.exit(0);
// What stops the service stops all of its processes at once; calls that still run may need us.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

function tell(message: FromEspeak): void {
  // The channel may close meanwhile: nobody listens then.
  process.send?.(message, undefined, undefined, () => undefined);
}

async function load(): Promise<EspeakModule | undefined> {
  try {
    const { default: loadEspeak } = await import('@echogarden/espeak-ng-emscripten');
    return await loadEspeak();
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    tell({ type: 'unusable', missing });
    return undefined;
  }
}

function say(espeak: EspeakNg, request: EspeakRequest): FromEspeak {
  const { id, voice, wordsPerMinute, pitch, ssml, maxSeconds } = request;
  if (espeak.set_voice(voice) !== 0) return { type: 'not_said', id, why: 'no_voice' };
  // A voice brings its own.
  espeak.set_rate(wordsPerMinute);
  espeak.set_pitch(pitch);
  const sampleRate = espeak.get_samplerate();
  const chunks: Int16Array[] = [];
  let length = 0;
  espeak.synthesize(ssml, (chunk) => {
    chunks.push(chunk);
    length += chunk.length;
    return length > maxSeconds * sampleRate;
  });
  if (length > maxSeconds * sampleRate) return { type: 'not_said', id, why: 'too_long' };
  const samples = new Int16Array(length);
  let at = 0;
  for (const chunk of chunks) {
    samples.set(chunk, at);
    at += chunk.length;
  }
  return { type: 'said', id, sampleRate, samples };
}

const loaded = await load();
if (loaded !== undefined) {
  const espeak = new loaded.eSpeakNGWorker();
  process.on('message', (request: EspeakRequest) => {
    try {
      tell(say(espeak, request));
    } catch {
      tell({ type: 'not_said', id: request.id, why: 'broken' });
    }
  });
  const voices = espeak.list_voices().map(({ identifier, languages }) => ({ identifier, languages }));
  const variants = loaded.FS.readdir(VARIANTS).filter((name) => /^[A-Za-z0-9_-]+$/.test(name));
  tell({ type: 'ready', voices, variants });
}
