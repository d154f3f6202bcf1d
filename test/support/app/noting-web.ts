import type { IncomingHttpHeaders } from 'node:http';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface WebRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Of the query, and of a form in the body. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface WebAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** A client's web server on loopback: notes what it is asked, and answers as it is told by path; otherwise with 404. */
export class NotingWeb {
  readonly requests: WebRequest[] = [];
  /** By path. `never`: no answer as long as it runs. */
  readonly pages = new Map<string, WebAnswer | 'never'>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      void text(request).then((body) => {
        const url = new URL(request.url ?? '', 'http://web');
        const isForm = request.headers['content-type'] === 'application/x-www-form-urlencoded';
        this.requests.push({
          method: request.method ?? '',
          path: url.pathname,
          headers: request.headers,
          fields: Object.fromEntries([...url.searchParams, ...(isForm ? new URLSearchParams(body) : [])]),
        });
        const page = this.pages.get(url.pathname) ?? { status: 404 };
        if (page === 'never') return;
        response.writeHead(page.status ?? 200, page.headers ?? {});
        response.end(page.body);
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return this;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
