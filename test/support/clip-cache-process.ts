import { ClipCache } from '../../src/prompt/clip-cache.ts';

/**
 * A process of its own over a folder of clips (arguments: task, folder, bytes of the folder, name).
 * `fill` puts so many clips of its own and of the others' and reads them, and says what it found; `write` puts large
 * ones until it is killed, and says so after each.
 */
const [, , task, folder = '', maxBytes = '0', name = ''] = process.argv;
const faults: string[] = [];
const cache = new ClipCache({
  folder,
  maxBytes: Number(maxBytes),
  now: Date.now,
  onFault: (error) => faults.push(error.message),
});
await cache.open();
process.stdout.write('ready\n');

/** The value of its samples tells the clip, and its length too. */
function clip(value: number, length: number): { sampleRate: number; samples: Int16Array } {
  return { sampleRate: 8000, samples: new Int16Array(length).fill(value) };
}

if (task === 'write') {
  for (let i = 0; ; i++) {
    await cache.put(`${name} ${i % 5}`, clip(i % 5, 500_000));
    process.stdout.write(`${i}\n`);
  }
} else {
  await new Promise((resolve) => {
    process.stdin.once('data', resolve);
  });
  let hits = 0;
  let wrong = 0;
  for (let i = 1; i <= 150; i++) {
    const shared = i % 3 === 0;
    await cache.put(shared ? `shared ${i}` : `${name} ${i}`, clip(i, 1000 + i));
    for (const [key, value] of [
      [`${name} ${i}`, i],
      [`shared ${i - (i % 3)}`, i - (i % 3)],
    ] as const) {
      const found = await cache.get(key);
      if (found === undefined) continue;
      hits++;
      if (found.samples.length !== 1000 + value || found.samples.some((sample) => sample !== value)) wrong++;
    }
  }
  await cache.close();
  process.stdout.write(`${JSON.stringify({ hits, wrong, faults })}\n`);
  process.exit(0);
}
