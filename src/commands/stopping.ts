/** Waits for SIGTERM or SIGINT; a second one, whichever of the two, ends the process at once. */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (stopping) process.exit(1);
      stopping = true;
      resolve(signal);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/** Something that a command does, and that SIGINT or SIGTERM may end. */
export interface Interruptible {
  /** Aborted by the first signal; a second one ends the process at once. */
  readonly signal: AbortSignal;
  /** What a shell shows of a process that the signal ended: 130, or 143. Undefined without one. */
  exitCode(): number | undefined;
  /** From here on signals do again what they do by default. */
  over(): void;
}

export function interruptible(): Interruptible {
  const interruption = new AbortController();
  let code: number | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    if (code !== undefined) process.exit(code);
    code = 128 + SIGNAL_NUMBERS[signal as keyof typeof SIGNAL_NUMBERS];
    interruption.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return {
    signal: interruption.signal,
    exitCode: () => code,
    over: () => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}
