import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../errors.ts';

const COOKIE = 'voice_otp_try';
/** Set by the page's script, and of no weight: pages reload by themselves only where no script runs. */
const SCRIPT_COOKIE = 'voice_otp_script';
/** Verifications that a visitor still gets to see. */
const MAX_REMEMBERED = 20;
const ID = /^ver_[0-9a-f]{1,64}$/;

/** Of all cookies that the page sets; they end with the browser. */
export function cookieTerms(request: FastifyRequest) {
  return {
    path: '/try',
    httpOnly: true,
    sameSite: 'strict',
    secure: request.protocol === 'https',
    signed: true,
  } as const;
}

/** Remembers in the visitor's browser that a verification is theirs. The cookie is signed: nobody can add one to it. */
export function remember(request: FastifyRequest, reply: FastifyReply, id: string): void {
  const ids = [...remembered(request), id].slice(-MAX_REMEMBERED);
  void reply.setCookie(COOKIE, ids.join('.'), cookieTerms(request));
}

/** @throws AppError not_found where the visitor has not begun this verification */
export function refuseForeign(request: FastifyRequest, id: string): void {
  if (!remembered(request).includes(id)) throw new AppError('not_found');
}

export function hasScript(request: FastifyRequest): boolean {
  return request.cookies[SCRIPT_COOKIE] !== undefined;
}

function remembered(request: FastifyRequest): readonly string[] {
  const text = request.cookies[COOKIE];
  const { valid, value } = text === undefined ? { valid: false, value: null } : request.unsignCookie(text);
  return valid && value !== null ? value.split('.').filter((id) => ID.test(id)) : [];
}
