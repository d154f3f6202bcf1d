import type { AppError } from '../errors.ts';

/** How errors are told on the paths of an API that is not our own. */
export interface ErrorDialect {
  /** Whether a path, without its query, is one of that API's, known or not. */
  covers(path: string): boolean;
  /** The JSON body of the answer; status and headers are those of our own. */
  body(error: AppError): object;
}
