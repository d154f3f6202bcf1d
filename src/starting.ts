import type { Logger } from 'pino';

/** Something that the service needs on this machine is not there; the message is for the operator. */
class StartError extends Error {
  constructor(what: string, cause: unknown) {
    super([what, ...reasonsOf(cause)].join(': '), { cause });
    this.name = 'StartError';
  }
}

function reasonsOf(error: unknown): string[] {
  return error instanceof Error ? [error.message, ...reasonsOf(error.cause)] : [];
}

/** One thing that the operator may have to put right before the service can start. @throws StartError */
export async function needed<T>(complaint: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new StartError(complaint, error);
  }
}

/** Parts of the service that are open, each with what closes it. */
export class OpenParts {
  readonly #closers: (() => Promise<unknown>)[] = [];

  add(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  /** Backwards, since later parts use earlier ones; one that fails does not keep the others open. */
  async close(logger: Pick<Logger, 'error'>): Promise<void> {
    for (const close of this.#closers.toReversed()) {
      await close().catch((err: unknown) => logger.error({ err }, 'a part of the service did not close'));
    }
  }
}
