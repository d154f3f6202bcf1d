import { decodePcma, decodePcmu } from '../media/g711.ts';
import type { Pcm } from '../media/pcm.ts';
export class Ear {
  packets = 0;
  #first: number | undefined;
  #parts: [number, Int16Array][] = [];
  take(p: { payloadType: number; timestamp: number; sequence: number; payload: Uint8Array }): void {
    if (p.payloadType !== 0 && p.payloadType !== 8) return;
    this.packets++;
    this.#first ??= p.timestamp;
    this.#parts.push([
      (p.timestamp - this.#first) | 0,
      p.payloadType === 0 ? decodePcmu(p.payload) : decodePcma(p.payload),
    ]);
  }
  pcm(): Pcm {
    const end = this.#parts.reduce((m, [at, s]) => Math.max(m, at + s.length), 0);
    const samples = new Int16Array(end);
    for (const [at, s] of this.#parts) if (at >= 0) samples.set(s, at);
    return { sampleRate: 8000, samples };
  }
}
