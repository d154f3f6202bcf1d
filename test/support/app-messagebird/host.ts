import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Authority } from '../certificates.ts';

const NAME = 'rest.messagebird.com';
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** The SDKs listen to a connection once for each request that it carries, of which Node would warn. */
const NODE_ARGS = ['--disable-warning=MaxListenersExceededWarning', '--require', path('led-here.cjs')];

interface SdkFailure {
  readonly message: string;
  readonly statusCode?: number;
  readonly errors?: readonly {
    readonly code: number;
    readonly description: string;
    readonly parameter: string;
  }[];
}

/** What the callback of an SDK got. */
export interface SdkAnswer {
  readonly error: SdkFailure | null;
  readonly response: Readonly<Record<string, unknown>> | true | null;
}

/** Our API where the SDKs look for theirs: by its name, over TLS, with a certificate of an authority of the test. */
export class MessageBirdHost {
  readonly #tls: Server;
  readonly #folder: string;

  private constructor(tls: Server, folder: string) {
    this.#tls = tls;
    this.#folder = folder;
  }

  /** @param url of our API, plain HTTP */
  static async start(url: string): Promise<MessageBirdHost> {
    const folder = await mkdtemp(join(tmpdir(), 'voice-otp-messagebird-'));
    const authority = new Authority();
    await writeFile(join(folder, 'ca.pem'), authority.cert);
    const { cert, key } = authority.issue({ names: [`dns:${NAME}`] });
    const tls = createServer({ cert, key: key.reveal() }, (secure) => {
      const plain = connect(Number(new URL(url).port), '127.0.0.1');
      secure.pipe(plain).pipe(secure);
      secure.on('error', () => plain.destroy());
      plain.on('error', () => secure.destroy());
    });
    await once(tls.listen(0, '127.0.0.1'), 'listening');
    return new MessageBirdHost(tls, folder);
  }

  #environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
    const { port } = this.#tls.address() as AddressInfo;
    return {
      ...process.env,
      NODE_EXTRA_CA_CERTS: join(this.#folder, 'ca.pem'),
      MESSAGEBIRD_PORT: String(port),
      ...more,
    };
  }

  /** An SDK in a process of its own. */
  sdk(packageName: string, key: string): Sdk {
    return new Sdk(
      fork(path('sdk.cjs'), [packageName, key], {
        execArgv: NODE_ARGS,
        env: this.#environment({}),
      }),
    );
  }

  /** The application, in a process of its own, once it listens. */
  async application(key: string): Promise<Application> {
    const child = spawn(process.execPath, [...NODE_ARGS, path('app.cjs')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: this.#environment({ MESSAGEBIRD_API_KEY: key }),
    });
    const [line] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [unknown];
    const port = /listening on (\d+)/.exec(String(line))?.[1];
    if (port === undefined) throw new Error(`the application does not listen: ${String(line)}`);
    return new Application(child, `http://127.0.0.1:${port}`);
  }

  async close(): Promise<void> {
    this.#tls.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export class Sdk {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: SdkAnswer) => void>();
  #asked = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message) => {
      const { id, ...answer } = message as SdkAnswer & { readonly id: number };
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  ask(method: 'create' | 'read' | 'verify' | 'delete', ...args: readonly unknown[]): Promise<SdkAnswer> {
    this.#asked += 1;
    const id = this.#asked;
    const answer = new Promise<SdkAnswer>((resolve) => this.#waiting.set(id, resolve));
    this.#child.send({ id, method, args });
    return answer;
  }

  async stop(): Promise<void> {
    await ended(this.#child);
  }
}

/** A person's browser at the application. */
export class Application {
  readonly #child: ChildProcess;
  readonly #url: string;

  constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
  }

  /** The page behind a form that is filled in so; without one, the page that is there at first. */
  async page(action: string, form?: Readonly<Record<string, string>>): Promise<string> {
    const response = await fetch(
      this.#url + action,
      form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) },
    );
    return response.text();
  }

  async stop(): Promise<void> {
    await ended(this.#child);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
