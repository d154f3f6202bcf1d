import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CallFeed } from '../call/feed.ts';
import type { Country } from '../page/countries.ts';
import type { LabDesk } from '../page/lab-desk.ts';
import type { Surface } from '../page/sheet.ts';
import type { Secret } from '../secret.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import type { Routing } from '../trunk/routing.ts';
import type { VerificationService } from '../verification/service.ts';
import type { PartStreams } from './try-stream.ts';
import { cookieTerms } from './try-visitor.ts';

/** What only the page uses. */
export interface PagePorts {
  /** Signs the page's cookies; the same for all nodes. */
  readonly cookieKey: Secret;
  /** Those that may be called at the moment, for whom the page acts. */
  readonly countries: (clientId: string | null) => readonly Country[];
  /** In the lab: the phones that its visitors play, and to which call a SIP dialog belongs. */
  readonly lab?: { readonly desk: LabDesk; readonly callOf: CallTrace['callOf'] } | undefined;
}

/** What the routes of the page share. */
export interface TryRoom {
  /** For whom the page acts; null where the API runs without keys. */
  readonly clientId: string | null;
  readonly surface: Surface;
  readonly streams: PartStreams;
  /** Lab phones that have told their caller: a number for each, as long as the lab runs. */
  readonly toldPhones: Set<string>;
  readonly page: PagePorts;
  readonly verifications: VerificationService;
  readonly feed: CallFeed;
  readonly trace: Pick<CallTrace, 'of'>;
  readonly ways: { readonly routing: Pick<Routing, 'trunks'> };
}

/** A token for the forms of a page; the browser gets the cookie that it is checked with. */
export function newToken(request: FastifyRequest, reply: FastifyReply): string {
  return reply.generateCsrf(cookieTerms(request));
}

export function sendPage(reply: FastifyReply, page: string): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(page);
}
