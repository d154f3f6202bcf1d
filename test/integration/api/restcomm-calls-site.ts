import { expect } from 'vitest';
import { NotingWeb } from '../../support/app/noting-web.ts';
import { eventually } from '../../support/eventually.ts';
import { HOST, RestcommClient } from './restcomm-calls-client.ts';
import type { ScriptedLeg } from './scripted-engine.ts';
import { type Service, startService } from './service.ts';

export const CODE = '482910';
export const TRUNKS = [
  {
    id: 'carrier',
    host: 'sip.carrier.example',
    cli: '+447418340465',
    allowedClis: ['+447418340466', '9001'],
  },
];
/** A document that says the code. */
export const SAY = `<Response><Say voice="woman" language="en">Your code is ${[...CODE].join(' ')}</Say></Response>`;

/** A web server with documents, a service for each test that fetches them, and a client of it. */
export class RestcommSite {
  readonly web = new NotingWeb();
  #running: { readonly service: Service; readonly client: RestcommClient } | undefined;

  get service(): Service {
    return this.#now.service;
  }

  /** Of the account `shop`, without a key. */
  get client(): RestcommClient {
    return this.#now.client;
  }

  get #now() {
    if (this.#running === undefined) throw new Error('the service was not started');
    return this.#running;
  }

  async open(): Promise<void> {
    await this.web.start();
  }

  /** Forgets what was asked; `/start.xml` is this document from now on, and there is no other one. */
  renew(document?: string): void {
    this.web.requests.length = 0;
    this.web.pages.clear();
    if (document !== undefined) this.web.pages.set('/start.xml', { body: document });
  }

  async start(settings: Parameters<typeof startService>[0] = {}): Promise<void> {
    const internalHosts = [{ host: HOST, address: '127.0.0.1', port: this.web.port }];
    const service = await startService({ trunks: TRUNKS, speech: { urls: { internalHosts } }, ...settings });
    this.#running = { service, client: new RestcommClient(service, 'shop') };
  }

  /** The one that was dialled last; waits for the first. */
  lastLeg(): Promise<ScriptedLeg> {
    return eventually(() => {
      const last = this.service.engine.legs.at(-1);
      expect(last).toBeDefined();
      return last as ScriptedLeg;
    });
  }

  /** Ends the service of the test. */
  async close(): Promise<void> {
    await this.service.close();
  }

  async remove(): Promise<void> {
    await this.web.close();
  }
}
