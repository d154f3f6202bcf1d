import type { FastifyRequest } from 'fastify';
import type { ErrorDialect } from './error-dialect.ts';
import { restcommXml } from './restcomm-calls-xml.ts';

/** Where the calls of all accounts are. */
export const ACCOUNTS = '/restcomm/2012-04-24/Accounts';
export const XML_TYPE = 'application/xml; charset=utf-8';

/** Whether an answer is to be JSON: by the path, or else by what the client accepts. */
export function wantsJson({ url, headers }: Pick<FastifyRequest, 'url' | 'headers'>): boolean {
  const path = url.replace(/\?.*$/s, '');
  return /\.json(?:\/|$)/.test(path) || /\bapplication\/json\b/i.test(headers.accept ?? '');
}

/** Errors as exceptions of Restcomm: in XML, or in JSON where the rest of the answers is. */
export const restcommCallsErrors: ErrorDialect = {
  covers: (path) => path === ACCOUNTS || path.startsWith(`${ACCOUNTS}/`),
  answer: (error, request) => {
    const { status, code, message } = error;
    if (wantsJson(request)) return { status, body: { status, code, message } };
    const content = [
      { name: 'Status', content: status },
      { name: 'Code', content: code },
      { name: 'Message', content: message },
    ];
    return { status, contentType: XML_TYPE, body: restcommXml({ name: 'RestException', content }) };
  },
};
