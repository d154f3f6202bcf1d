import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Call } from '../call/call.ts';
import { AppError } from '../errors.ts';
import { countryOf, countryOfLanguages } from '../page/countries.ts';
import { deskParts } from '../page/desk-panel.ts';
import { enteredParts, readEnteredNumber } from '../page/entered-number.ts';
import type { LabDesk } from '../page/lab-desk.ts';
import { ladderPart } from '../page/ladder.ts';
import type { Part } from '../page/part.ts';
import type { StartForm } from '../page/start-page.ts';
import { startPage } from '../page/start-page.ts';
import type { LabParts, Situation } from '../page/verification-page.ts';
import { verificationPage, verificationParts } from '../page/verification-page.ts';
import { traceEntries } from '../trace/trace-text.ts';
import type { VerificationView } from '../verification/service.ts';
import type { Channel } from '../verification/verification.ts';
import type { Api } from './server.ts';
import { labNumbers } from './try-lab-numbers.ts';
import type { TryRoom } from './try-room.ts';
import { newToken, sendPage } from './try-room.ts';
import type { Look } from './try-stream.ts';
import { hasScript, refuseForeign, remember } from './try-visitor.ts';

const CALLED: readonly Channel[] = ['voice', 'flash', 'auto'];
const LOOK_MS = 1000;
/** Phones of the lab have nobody who tells of them. */
const LAB_LOOK_MS = 200;
const LAB_COUNTRY = 'GB';
const COUNTRY = 'US';

const startBody = z.object({
  country: z.string().max(2),
  number: z.string().max(100),
  channel: z.enum(['voice', 'flash', 'auto', 'sms']),
});
const checkBody = z.object({
  code: z.string().trim().max(100).optional(),
  callerId: z.string().trim().max(100).optional(),
});
const startQuery = z.object({ number: z.string().max(40).optional() });
const params = z.object({ id: z.string().max(100) });

/** The form, and the page of each verification that came from it. */
export function verificationPages(api: Api, room: TryRoom): void {
  const { verifications, clientId, surface } = room;
  const form = (request: FastifyRequest, reply: FastifyReply, filled: Partial<StartForm>): FastifyReply => {
    const channels = channelsOf(room);
    const countries = room.page.countries(clientId);
    const country =
      room.page.lab !== undefined ? LAB_COUNTRY : countryOfLanguages(request.headers['accept-language']);
    const whole: StartForm = {
      countries,
      country: [country, COUNTRY].find((one) => countries.some(({ code }) => code === one)) ?? '',
      number: '',
      channel: 'voice',
      channels,
      token: newToken(request, reply),
      ...filled,
    };
    return sendPage(reply, startPage(surface, whole, room.page.lab === undefined ? [] : labNumbers()));
  };

  api.route({
    method: 'GET',
    url: '/try',
    schema: { hide: true, querystring: startQuery },
    handler: async (request, reply) => {
      const { number } = request.query;
      const parts = number === undefined ? undefined : enteredParts(number);
      return form(
        request,
        reply,
        parts === undefined ? {} : { country: parts.country, number: parts.national },
      );
    },
  });

  api.route({
    method: 'POST',
    url: '/try',
    schema: { hide: true, body: startBody },
    handler: async (request, reply) => {
      const { country, number, channel } = request.body;
      try {
        const to = readEnteredNumber(number, countryOf(country)?.code ?? COUNTRY);
        if (to === undefined) throw new AppError('invalid_number');
        if (!channelsOf(room).includes(channel)) throw new AppError('sms_unavailable');
        const request_ = { to, channel, endUserAddress: request.ip };
        const { verification } = await verifications.start(request_, clientId);
        remember(request, reply, verification.id);
        return await reply.redirect(`/try/${verification.id}`, 303);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        if (error.retryAfterSeconds !== undefined) {
          void reply.header('retry-after', String(error.retryAfterSeconds));
        }
        return form(request, reply.code(error.status), {
          country,
          number,
          channel,
          complaint: {
            about: error.code === 'invalid_number' ? 'number' : 'all',
            text: error.code === 'invalid_number' ? BAD_NUMBER : error.message,
          },
        });
      }
    },
  });

  api.route({
    method: 'GET',
    url: '/try/:id',
    schema: { hide: true, params },
    handler: async (request, reply) => show(room, request, reply, request.params.id),
  });

  api.route({
    method: 'GET',
    url: '/try/:id/events',
    schema: { hide: true, params },
    handler: async (request, reply) => follow(room, request, reply, request.params.id),
  });

  api.route({
    method: 'POST',
    url: '/try/:id/check',
    schema: { hide: true, params, body: checkBody },
    handler: async (request, reply) => {
      const { id } = request.params;
      refuseForeign(request, id);
      try {
        await verifications.check(id, request.body, clientId);
      } catch (error) {
        // One that is over shows as such.
        if (!(error instanceof AppError)) throw error;
        if (error.code === 'invalid_request') return show(room, request, reply.code(400), id, error.message);
        if (error.code !== 'not_pending') throw error;
      }
      return reply.redirect(`/try/${id}`, 303);
    },
  });

  api.route({
    method: 'POST',
    url: '/try/:id/cancel',
    schema: { hide: true, params },
    handler: async (request, reply) => {
      const { id } = request.params;
      refuseForeign(request, id);
      await verifications.cancel(id, clientId);
      return reply.redirect(`/try/${id}`, 303);
    },
  });
}

const BAD_NUMBER = 'This is not a possible phone number. Please look at the country and the digits.';

/** @throws AppError not_found, store_unavailable */
async function show(
  room: TryRoom,
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
  complaint?: string,
): Promise<FastifyReply> {
  refuseForeign(request, id);
  const token = newToken(request, reply);
  const { situation, lab, isOver } = await situationOf(room, id, token);
  const options = { complaint, lab, hasScript: hasScript(request), isLive: !isOver };
  return sendPage(reply, verificationPage(room.surface, situation, options));
}

/** @throws AppError not_found, store_unavailable */
async function follow(
  room: TryRoom,
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
): Promise<FastifyReply> {
  refuseForeign(request, id);
  const { callId } = await room.verifications.get(id, room.clientId);
  const token = newToken(request, reply);
  let latest: Call | undefined;
  return room.streams.answer(reply, {
    everyMs: room.page.lab === undefined ? LOOK_MS : LAB_LOOK_MS,
    look: async (): Promise<Look> => {
      const { situation, lab, isOver } = await situationOf(room, id, token, latest);
      const labParts: readonly Part[] = lab === undefined ? [] : [...lab.phones, lab.ladder];
      return { parts: [...verificationParts(situation), ...labParts], isOver };
    },
    watch: (wake) =>
      room.feed.subscribe(callId, ({ call }) => {
        latest = call;
        wake();
      }),
  });
}

interface Seen {
  readonly situation: Situation;
  readonly lab: LabParts | undefined;
  readonly isOver: boolean;
}

/** @param latest the call as the feed told it, which may be newer than the store */
async function situationOf(room: TryRoom, id: string, token: string, latest?: Call): Promise<Seen> {
  const { verifications, feed, clientId, trace } = room;
  const first = await verifications.get(id, clientId);
  const call = latest ?? (await feed.current(first.callId));
  const { lab } = room.page;
  if (lab === undefined) {
    const situation = { verification: first, call, token, seesCaller: false };
    return { situation, lab: undefined, isOver: isSettled(first, call) };
  }
  const phones = lab.desk.phones().filter(({ sipCallId }) => lab.callOf(sipCallId) === first.callId);
  const texts =
    first.channel === 'sms'
      ? lab.desk.texts().filter(({ number, at }) => number === first.to && at >= first.createdAt)
      : [];
  const verification = await provenByCaller(room, first, phones);
  const messages = trace.of(first.callId);
  return {
    situation: { verification, call, token, seesCaller: true },
    lab: {
      phones: deskParts({ phones, texts }, { token, back: id }),
      ladder: ladderPart(messages === undefined ? [] : traceEntries(messages)),
    },
    isOver: isSettled(verification, call) && phones.every(({ state }) => state === 'over'),
  };
}

function isSettled({ status }: VerificationView, call: Call | undefined): boolean {
  return status !== 'pending' && (call === undefined || call.state === 'ended');
}

/**
 * In the lab the page is the application on the phone too, which sees who called and for how long (flash call): once the
 * phone is silent again, it tells the number.
 *
 * @throws AppError store_unavailable
 */
async function provenByCaller(
  { verifications, clientId, toldPhones }: TryRoom,
  verification: VerificationView,
  phones: ReturnType<LabDesk['phones']>,
): Promise<VerificationView> {
  if (verification.status !== 'pending' || verification.flash === null) return verification;
  const { prefix } = verification.flash;
  const rang = phones.find(({ state, caller }) => state === 'over' && caller?.startsWith(prefix) === true);
  // Each phone once: a number that is not the right one must not use the attempts up.
  if (rang === undefined || rang.caller === null || toldPhones.has(rang.id)) return verification;
  toldPhones.add(rang.id);
  try {
    return (await verifications.check(verification.id, { callerId: rang.caller }, clientId)).verification;
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_pending') {
      return verifications.get(verification.id, clientId);
    }
    toldPhones.delete(rang.id);
    throw error;
  }
}

function channelsOf({ ways }: TryRoom): readonly Channel[] {
  return ways.routing.trunks.some(({ sms }) => sms !== undefined) ? [...CALLED, 'sms'] : CALLED;
}
