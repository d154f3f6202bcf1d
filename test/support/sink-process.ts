import { CdrSink } from '../../src/cdr/sink.ts';
import { callRows } from './sink-rows.ts';

/**
 * A process of its own over a folder of records: `<folder> <calls> <first>` gives the records of all calls from this one
 * on, ten calls at a time, and says the number of each call whose records are promised.
 */
const [, , folder = '', calls = '0', first = '0'] = process.argv;
const sink = await CdrSink.open({ folder, node: 'a', maxBytes: 120_000, maxMinutes: 60, now: Date.now });
const waiting = [...callRows(Number(calls)).entries()].slice(Number(first));

async function worker(): Promise<void> {
  for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
    await sink.append(one[1]);
    process.stdout.write(`${one[0]}\n`);
  }
}

await Promise.all(Array.from({ length: 10 }, worker));
await sink.close();
