import { type ProgramConfig, ttsProviderSchema } from '../../src/config-tts.ts';
import { ProgramProvider } from '../../src/prompt/tts/program.ts';

/** Run as a process: speaks with the program that its argument describes (JSON), until it is killed. */
const config = ttsProviderSchema.parse(JSON.parse(process.argv[2] ?? '')) as ProgramConfig;
const provider = new ProgramProvider(config);
await provider.start();
await provider.synthesize({ text: 'zebrafish', locale: 'en-US', speed: 1 }, new AbortController().signal);
