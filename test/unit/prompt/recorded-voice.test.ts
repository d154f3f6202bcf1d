import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PromptLibrary } from '../../../src/prompt/library.ts';
import { RecordedVoice } from '../../../src/prompt/recorded-voice.ts';
import { KEY_CLIPS } from '../../../src/prompt/sound-set.ts';
import { OUR_SOUNDS } from './prompter-rig.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'voice-otp-recorded-'));
  await cp(join(OUR_SOUNDS, 'en-GB'), join(folder, 'en-GB'), { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

describe('the recorded words for keys', () => {
  it('are the clips of the set, with what it says after the key', async () => {
    await cp(join(folder, 'en-GB/espeak/goodbye.wav'), join(folder, 'en-GB/espeak/press-end.wav'));
    const library = await PromptLibrary.load(folder);
    const words = await new RecordedVoice(library, 'en-GB', 'none').keyWords();
    expect(words).toEqual({
      press: { before: library.samples('en-GB', 'press'), after: library.samples('en-GB', 'press-end') },
      enter: library.samples('en-GB', 'enter'),
      confirmed: library.samples('en-GB', 'confirmed'),
    });
    expect(words.press.after).toEqual(library.samples('en-GB', 'goodbye'));
  });

  it.each(KEY_CLIPS)('are not there where a set lacks %s', async (name) => {
    await rm(join(folder, `en-GB/espeak/${name}.wav`));
    const voice = new RecordedVoice(await PromptLibrary.load(folder), 'en-GB', 'none');
    await expect(voice.keyWords()).rejects.toMatchObject({ name: 'PromptError', fault: 'file_not_found' });
    expect((await voice.words()).goodbye).toBeDefined();
  });
});
