import type { Listed } from './command.ts';

/** All commands, in the order in which the usage lists them. Each loads only what it needs. */
export const COMMANDS: readonly Listed[] = [
  { name: 'serve', gist: 'the service', load: async () => (await import('./serve.ts')).serve },
  {
    name: 'check-config',
    takes: ['[FILE]'],
    gist: 'whether serve could start with a configuration',
    load: async () => (await import('./check-config.ts')).checkConfig,
  },
  {
    name: 'key',
    takes: ['ID'],
    gist: 'a new API key, and the line for the configuration',
    load: async () => (await import('./key.ts')).key,
  },
  {
    name: 'client add',
    takes: ['ID'],
    gist: 'a new client with its key, and its entry for the configuration',
    load: async () => (await import('./client-add.ts')).clientAdd,
  },
  {
    name: 'call',
    takes: ['NUMBER'],
    gist: 'a call over a running service, shown until it is over',
    load: async () => (await import('./call.ts')).call,
  },
  {
    name: 'trunks',
    gist: 'the trunks of a running service',
    load: async () => (await import('./trunks.ts')).trunks,
  },
  {
    name: 'routes',
    takes: ['NUMBER'],
    gist: 'which trunks a call to a number would try, and why',
    load: async () => (await import('./trunks.ts')).routes,
  },
  {
    name: 'ladder',
    takes: ['CALL_ID'],
    gist: 'the SIP messages of a call',
    load: async () => (await import('./ladder.ts')).ladder,
  },
  {
    name: 'cdr export',
    gist: 'call detail records as NDJSON or CSV',
    load: async () => (await import('./cdr-export.ts')).cdrExport,
  },
  {
    name: 'cdr verify',
    takes: ['[FILE...]'],
    gist: 'whether call detail records are what was written',
    load: async () => (await import('./cdr-verify.ts')).cdrVerify,
  },
  {
    name: 'demo',
    gist: 'one verification from end to end on this machine, with a lab phone',
    load: async () => (await import('./demo.ts')).demo,
  },
  {
    name: 'lab',
    gist: 'the service with a lab carrier, ready for curl',
    load: async () => (await import('./lab.ts')).lab,
  },
  {
    name: 'lab-carrier',
    gist: 'the lab carrier alone, as a trunk for any SIP system',
    load: async () => (await import('./lab-carrier.ts')).labCarrier,
  },
  {
    name: 'sounds check',
    takes: ['[FOLDER]'],
    gist: 'what each set of sounds lacks, and which clips are not as they should be',
    load: async () => (await import('./sounds.ts')).soundsCheck,
  },
  {
    name: 'sounds import',
    takes: ['FOLDER'],
    gist: 'makes a set of sounds from recordings (WAV)',
    load: async () => (await import('./sounds.ts')).soundsImport,
  },
];
