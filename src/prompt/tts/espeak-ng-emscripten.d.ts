/** What we use of the package, which has no types of its own. */
declare module '@echogarden/espeak-ng-emscripten' {
  export interface ListedVoice {
    identifier: string;
    languages: { name: string; priority: number }[];
  }

  export interface EspeakNg {
    list_voices(): ListedVoice[];
    get_samplerate(): number;
    /** 0 where it is found. An unknown variant is passed over. */
    set_voice(name: string): number;
    /** Words a minute, 80–450. */
    set_rate(rate: number): void;
    /** 0–99. */
    set_pitch(pitch: number): void;
    /** Calls back with samples, several times; true stops it. Returns when all is said. */
    synthesize(ssml: string, callback: (samples: Int16Array) => boolean): void;
  }

  export interface EspeakModule {
    readonly eSpeakNGWorker: new () => EspeakNg;
    readonly FS: { readdir(path: string): string[] };
  }

  const load: () => Promise<EspeakModule>;
  export default load;
}
