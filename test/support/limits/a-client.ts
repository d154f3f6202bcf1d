import type { Client } from '../../../src/clients/client.ts';

/** A client that may do everything. */
export function aClient(change: Partial<Client> = {}): Client {
  return {
    id: 'shop',
    keys: [],
    scopes: ['verifications', 'calls', 'records', 'webhooks'],
    countries: null,
    clis: null,
    templates: null,
    callback: null,
    limits: { perSecond: null, perDay: null },
    spend: null,
    ...change,
  };
}
