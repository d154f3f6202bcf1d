import type { Speech } from '../../src/media/speech.ts';
import { codePromptParts, PROMPT_RATE } from '../../src/prompt/code-prompt.ts';
import type { PromptLibrary } from '../../src/prompt/library.ts';
import { RecordedVoice } from '../../src/prompt/recorded-voice.ts';
import { Secret } from '../../src/secret.ts';

/** What calls say that prove a number, in recorded sounds: by code, and how often it is said (2). */
export async function recordedPrompts(
  library: PromptLibrary,
  locale = 'en-US',
): Promise<(code: string, repeat?: number) => Speech> {
  const voice = new RecordedVoice(library, locale, 'none');
  const characters = await voice.characters(false);
  const words = await voice.words();
  return (code, repeat = 2) => ({
    sampleRate: PROMPT_RATE,
    parts: codePromptParts({ code: new Secret(code), sayAs: 'digits', characters }, words, repeat),
  });
}
