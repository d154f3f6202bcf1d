/**
 * A signal that is aborted after `ms`, or as soon as one of the others is. In place of
 * `AbortSignal.any([…, AbortSignal.timeout(ms)])`, which forgets the timeout at the next garbage collection: nobody but the
 * combined signal knows it, and that holds it weakly (Node 20). Keeps no process from ending.
 */
export function timeLimit(ms: number, ...others: readonly AbortSignal[]): AbortSignal {
  const limit = new AbortController();
  const expire = (): void => limit.abort(new DOMException('The time is over', 'TimeoutError'));
  setTimeout(expire, ms).unref();
  return AbortSignal.any([limit.signal, ...others]);
}
