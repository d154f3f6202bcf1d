import { durationMs, type Pcm } from '../../media/pcm.ts';
import { parseWav, readWavHeader, WavError } from '../../media/wav.ts';
import { MAX_CLIP_SECONDS } from '../clip.ts';
import { failed, notAudio, tooLong } from './speech-fault.ts';

/** Between the lowest and the highest sample of 65,536: less than this is not heard in a telephone. */
const SILENT_RANGE = 200;
/** Writers to a pipe cannot know the length: they leave the largest number, or nearly that, signed or not. */
const UNKNOWN_LENGTH = 0x7fff0000;

/**
 * What a provider answered, as audio.
 *
 * @throws PromptError tts_failed for what is no WAV, or shorter than its header says; not_audio where nothing can be
 *   heard; too_long
 */
export function speechFromWav(id: string, bytes: Uint8Array): Pcm {
  let pcm: Pcm;
  try {
    pcm = parseWav(bytes);
  } catch (error) {
    if (error instanceof WavError) throw failed(id, 'did not answer with a WAV that can be read', error);
    throw error;
  }
  if (isCutOff(bytes)) throw failed(id, 'gave a WAV that is shorter than its header says');
  return audible(id, pcm);
}

/**
 * 16-bit samples, little-endian, mono, without any header.
 *
 * @throws PromptError not_audio, too_long
 */
export function speechFromRaw(id: string, bytes: Uint8Array, sampleRate: number): Pcm {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Int16Array(Math.floor(bytes.length / 2));
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(i * 2, true);
  return audible(id, { sampleRate, samples });
}

/** @throws PromptError not_audio where nothing can be heard; too_long */
export function audible(id: string, pcm: Pcm): Pcm {
  if (durationMs(pcm) > MAX_CLIP_SECONDS * 1000) throw tooLong(id);
  let [lowest, highest] = [0, 0];
  // A constant is silence too, whatever its value: only its first step is heard.
  for (const [index, sample] of pcm.samples.entries()) {
    if (index === 0 || sample < lowest) lowest = sample;
    if (index === 0 || sample > highest) highest = sample;
    if (highest - lowest >= SILENT_RANGE) return pcm;
  }
  throw notAudio(id, 'gave silence');
}

/** Whether less came than the data chunk was to hold: half a sentence is worse than none. */
function isCutOff(wav: Uint8Array): boolean {
  const { data, declaredBytes } = readWavHeader(wav);
  return declaredBytes < UNKNOWN_LENGTH && data.length < declaredBytes;
}
