import { parseNameAddress } from './header.ts';
import type { SipHeader, SipRequest, SipResponse } from './message.ts';

/** Reason phrases (RFC 3261 §21 and extensions); only people read them. */
const REASONS: Readonly<Record<number, string>> = {
  100: 'Trying',
  180: 'Ringing',
  181: 'Call Is Being Forwarded',
  182: 'Queued',
  183: 'Session Progress',
  200: 'OK',
  202: 'Accepted',
  302: 'Moved Temporarily',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  410: 'Gone',
  415: 'Unsupported Media Type',
  416: 'Unsupported URI Scheme',
  420: 'Bad Extension',
  422: 'Session Interval Too Small',
  423: 'Interval Too Brief',
  428: 'Use Identity Header',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  484: 'Address Incomplete',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  491: 'Request Pending',
  500: 'Server Internal Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Server Time-out',
  505: 'Version Not Supported',
  600: 'Busy Everywhere',
  603: 'Decline',
  604: 'Does Not Exist Anywhere',
  606: 'Not Acceptable',
  607: 'Unwanted',
  608: 'Rejected',
};

export function reasonPhrase(status: number): string {
  return REASONS[status] ?? 'Unknown';
}

export interface ResponseParts {
  readonly reason?: string;
  /** Our tag for the To header; left out for 100, and where the request had one. */
  readonly toTag?: string;
  readonly headers?: readonly SipHeader[];
  readonly body?: string;
}

const COPIED = new Set(['Via', 'From', 'To', 'Call-ID', 'CSeq', 'Record-Route']);

/** A response as RFC 3261 §8.2.6 and §12.1.1 want it: Via, From, To, Call-ID, CSeq and Record-Route as in the request. */
export function responseTo(request: SipRequest, status: number, parts: ResponseParts = {}): SipResponse {
  const headers: SipHeader[] = [];
  for (const [name, value] of request.headers) {
    if (!COPIED.has(name) || (name === 'Record-Route' && (status === 100 || status >= 300))) continue;
    const tagged = name === 'To' && parts.toTag !== undefined && status !== 100 && !hasTag(value);
    headers.push([name, tagged ? `${value};tag=${parts.toTag}` : value]);
  }
  headers.push(...(parts.headers ?? []));
  const body = parts.body ?? '';
  return { kind: 'response', status, reason: parts.reason ?? reasonPhrase(status), headers, body };
}

function hasTag(to: string): boolean {
  return parseNameAddress(to)?.params.has('tag') ?? false;
}
