import type { TtsProviderConfig } from '../../config-tts.ts';
import type { TtsProvider } from '../tts.ts';
import { EspeakProvider } from './espeak.ts';
import { HttpProvider } from './http.ts';
import { ProgramProvider } from './program.ts';

/** The provider that the configuration describes, not started yet. */
export function providerOf(config: TtsProviderConfig): TtsProvider {
  switch (config.type) {
    case 'espeak':
      return new EspeakProvider(config);
    case 'program':
      return new ProgramProvider(config);
    case 'http':
      return new HttpProvider(config);
  }
}
