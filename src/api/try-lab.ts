import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { deskPage, deskParts } from '../page/desk-panel.ts';
import type { LabDesk } from '../page/lab-desk.ts';
import type { Part } from '../page/part.ts';
import type { Api } from './server.ts';
import type { TryRoom } from './try-room.ts';
import { newToken, sendPage } from './try-room.ts';

const LOOK_MS = 200;
const params = z.object({ id: z.string().max(100) });
const back = z
  .string()
  .regex(/^(?:lab|ver_[0-9a-f]{1,64})$/)
  .default('lab');
const body = z.object({ back });
const keysBody = z.object({ back, keys: z.string().max(32) });

/** The lab's phones, for whoever plays the people at them. */
export function labRoutes(api: Api, room: TryRoom, desk: LabDesk): void {
  const partsOf = (request: FastifyRequest, reply: FastifyReply): (() => readonly Part[]) => {
    const token = newToken(request, reply);
    return () => deskParts({ phones: desk.phones(), texts: desk.texts() }, { token, back: 'lab' });
  };

  api.route({
    method: 'GET',
    url: '/try/lab',
    schema: { hide: true },
    handler: async (request, reply) => sendPage(reply, deskPage(room.surface, partsOf(request, reply)())),
  });

  api.route({
    method: 'GET',
    url: '/try/lab/events',
    schema: { hide: true },
    handler: async (request, reply) => {
      const parts = partsOf(request, reply);
      return room.streams.answer(reply, {
        everyMs: LOOK_MS,
        look: async () => ({ parts: parts(), isOver: false }),
      });
    },
  });

  const answers: Readonly<Record<string, (id: string) => boolean>> = {
    answer: (id) => desk.answer(id),
    'hang-up': (id) => desk.hangUp(id),
  };
  for (const [name, act] of Object.entries(answers)) {
    api.route({
      method: 'POST',
      url: `/try/lab/phones/:id/${name}`,
      schema: { hide: true, params, body },
      handler: async (request, reply) => {
        act(request.params.id);
        return goBack(reply, request.body.back);
      },
    });
  }

  api.route({
    method: 'POST',
    url: '/try/lab/phones/:id/press',
    schema: { hide: true, params, body: keysBody },
    handler: async (request, reply) => {
      desk.press(request.params.id, request.body.keys);
      return goBack(reply, request.body.back);
    },
  });

  api.route({
    method: 'GET',
    url: '/try/lab/phones/:id/recording.wav',
    schema: { hide: true, params },
    handler: async (request, reply) => {
      const wav = desk.recording(request.params.id);
      if (wav === undefined) throw new AppError('not_found');
      return reply.type('audio/wav').send(Buffer.from(wav));
    },
  });
}

/** What came too late shows on the page as it is by now. */
function goBack(reply: FastifyReply, to: string): FastifyReply {
  return reply.redirect(`/try/${to}`, 303);
}
