import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const FOLDER = '/voices/';

/** Somebody's web server with recordings, as `{url}` items of a playlist name them: `/voices/<name>.wav`. */
export class VoiceServer {
  readonly #files: ReadonlyMap<string, string>;
  readonly #server: Server;
  #port = 0;

  /** @param files paths of WAV files by the names under which they are served, without `.wav` */
  constructor(files: ReadonlyMap<string, string>) {
    this.#files = files;
    this.#server = createServer((request, response) => {
      void this.#answer(request.url ?? '').then(({ status, body, tag }) => {
        const unchanged = tag !== undefined && request.headers['if-none-match'] === tag;
        response.writeHead(unchanged ? 304 : status, {
          ...(status === 200 ? { 'content-type': 'audio/wav', etag: tag } : {}),
        });
        response.end(unchanged ? undefined : body);
      });
    });
  }

  /** On loopback; 0 before the start. */
  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(url: string): Promise<{ status: number; body?: Uint8Array; tag?: string }> {
    const name =
      url.startsWith(FOLDER) && url.endsWith('.wav') ? url.slice(FOLDER.length, -'.wav'.length) : '';
    const path = this.#files.get(name);
    if (path === undefined) return { status: 404 };
    try {
      const body = await readFile(path);
      return { status: 200, body, tag: `"${createHash('sha256').update(body).digest('hex')}"` };
    } catch {
      return { status: 500 };
    }
  }
}
