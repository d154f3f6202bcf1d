import { readdir } from 'node:fs/promises';
import { FolderInUse } from '../store/own-folder.ts';
import type { CdrSinkOptions } from './sink.ts';
import { CdrSink } from './sink.ts';
import { nodesWriting, SinkNames } from './sink-names.ts';

const GRACE_MS = 60_000;

/**
 * Finishes files that are too old, of other nodes in the same folder that write no more, such as containers that were
 * replaced by others with new names. Nodes that run look after their own.
 *
 * @returns the nodes whose files were finished
 * @throws AppError store_unavailable; what the file system says
 */
export async function finishAbandoned(options: CdrSinkOptions): Promise<readonly string[]> {
  const { folder, node: own, maxMinutes, now } = options;
  const present = await readdir(folder);
  const done: string[] = [];
  for (const node of nodesWriting(present)) {
    const names = new SinkNames(node);
    const [oldest = ''] = names.among(present).open;
    const ageMs = now() - (names.begunAt(oldest) ?? now());
    // Who runs has until its next look.
    if (node === own || ageMs < maxMinutes * 60_000 + GRACE_MS) continue;
    try {
      const sink = await CdrSink.open({ ...options, node });
      try {
        // Whatever it is given, it finishes what is too old first.
        await sink.append([]);
      } finally {
        await sink.close();
      }
      done.push(node);
    } catch (error) {
      if (!(error instanceof FolderInUse)) throw error;
    }
  }
  return done;
}
