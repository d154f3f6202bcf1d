import { createHash } from 'node:crypto';
import type { Pcm } from '../media/pcm.ts';
import { formatWav, parseWav, WavError } from '../media/wav.ts';

/** The last chunk of a file: four letters, the length, and the digest. */
const DIGEST_ID = 0x6473_6873; // 'dshs', none that RIFF readers know: they skip it
const DIGEST_BYTES = 32;
const TAIL_BYTES = 8 + DIGEST_BYTES;
const HEADER_BYTES = 44;

/** `<SHA-256 of the key>.wav`: it says nothing to who does not know the key. */
export function clipFileName(key: string): string {
  return `${createHash('sha256').update(key).digest('hex')}.wav`;
}

/**
 * A clip as it lies on disk: a WAV file that every player reads, with one chunk more at its end, a digest over the
 * name and all that comes before. A file is written without waiting for the disk, so what a power cut leaves may
 * be cut off or full of zeros.
 */
export function formatClipFile(name: string, pcm: Pcm): Uint8Array {
  const wav = formatWav(pcm);
  const bytes = new Uint8Array(wav.length + TAIL_BYTES);
  bytes.set(wav);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, bytes.length - 8, true);
  view.setUint32(wav.length, DIGEST_ID);
  view.setUint32(wav.length + 4, DIGEST_BYTES, true);
  bytes.set(digestOf(name, bytes.subarray(0, wav.length)), wav.length + 8);
  return bytes;
}

/** Undefined where a single bit differs from what `formatClipFile` made for this name. */
export function parseClipFile(name: string, bytes: Uint8Array): Pcm | undefined {
  const end = bytes.length - TAIL_BYTES;
  if (end < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(end) !== DIGEST_ID || view.getUint32(end + 4, true) !== DIGEST_BYTES) return undefined;
  const wav = bytes.subarray(0, end);
  if (!digestOf(name, wav).equals(bytes.subarray(end + 8))) return undefined;
  try {
    return parseWav(wav);
  } catch (error) {
    if (error instanceof WavError) return undefined;
    throw error;
  }
}

function digestOf(name: string, wav: Uint8Array): Buffer {
  return createHash('sha256').update(name).update(wav).digest();
}
