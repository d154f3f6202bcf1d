import type { Client } from '../../src/clients/client.ts';

/** A client that may do everything but what operators do, without limits, with the terms given. */
export function clientWith(terms: Partial<Client> = {}): Client {
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
    ...terms,
  };
}
