import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type {
  AppControllerRoute,
  BullBoardRequest,
  ControllerHandlerReturnType,
} from '@bull-board/api/typings/app';
import { FastifyAdapter } from '@bull-board/fastify';
import type { Job, Queue } from 'bullmq';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { unavailable } from '../redis/unavailable.ts';
import { requireScope } from './auth.ts';
import { sendError } from './errors.ts';
import type { Api } from './server.ts';

export interface QueueBoardOptions {
  /** Those that there are: asked at each request, since trunks come and go. */
  readonly queues: () => readonly Queue[];
}

const PATH = '/admin/queues';

/** What its page may load: its own files, and the inline styles that it writes. Its `base` leads back to itself. */
const BOARD_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** What is told of a job's data: ids, and until when it waits. Whatever else may come into it stays where it is. */
const SHOWN_DATA = ['noticeId', 'callId', 'trunkId', 'from', 'wish', 'deadline'];

const MAX_JOBS_PER_PAGE = 100;

/** What the page asks for; bull-board takes it as it comes, and an endless list too. */
const listQuery = z.object({
  // bull-board decodes it a second time.
  activeQueue: z
    .string()
    .max(200)
    .regex(/^[^%]*$/)
    .default(''),
  status: z
    .enum([
      'latest',
      'active',
      'waiting',
      'waiting-children',
      'prioritized',
      'completed',
      'failed',
      'delayed',
      'paused',
    ])
    .default('latest'),
  page: z.coerce.number().int().min(1).max(100_000).default(1),
  jobsPerPage: z.coerce.number().int().min(1).max(MAX_JOBS_PER_PAGE).default(10),
});

/**
 * A page that shows queues of BullMQ at `/admin/queues`, for operators. A browser sends the API key as the password of
 * HTTP Basic, under any user name. It changes nothing: what writes has no route here.
 */
export async function queueBoard(api: Api, { queues }: QueueBoardOptions): Promise<void> {
  const adapter = new ReadingAdapter().setBasePath(PATH);
  const { replaceQueues } = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'voice-otp', hideRedisDetails: true } },
  });
  const shown = new WeakMap<Queue, ShownQueue>();
  const shownQueue = (queue: Queue): ShownQueue => {
    const known = shown.get(queue) ?? new ShownQueue(queue);
    shown.set(queue, known);
    return known;
  };
  await api.register(
    async (scope) => {
      requireScope(scope, 'operator', { credentials: ['password', 'bearer'] });
      scope.addHook('preHandler', async () => replaceQueues(queues().map(shownQueue)));
      scope.addHook('onRoute', (route) => {
        // bull-board's own would tell what went wrong.
        route.errorHandler = (error, request, reply) =>
          void sendError(unavailable(error), request, reply, []);
      });
      scope.addHook('onSend', async (_request, reply, payload) => {
        void reply.header('content-security-policy', BOARD_CSP);
        return typeof payload === 'string'
          ? withoutForeignLinks(reply.getHeader('content-type'), payload)
          : payload;
      });
      await scope.register(adapter.registerPlugin());
    },
    { prefix: PATH },
  );
}

/** Serves the page, and what reads of bull-board's API. */
class ReadingAdapter extends FastifyAdapter {
  override setApiRoutes(routes: AppControllerRoute[]): FastifyAdapter {
    const reading = routes.filter(
      ({ method, route }) => method === 'get' && !ENDS_HIDDEN.test(String(route)),
    );
    return super.setApiRoutes([...reading.map(readingRoute), ...EMPTY_ROUTES]);
  }

  override setBasePath(path: string): this {
    super.setBasePath(path);
    return this;
  }
}

/** Of Redis itself, of flows, for which bull-board would make a producer, and of logs. */
const ENDS_HIDDEN = /\/(?:stats|flow|logs)$/;

/** The page asks for these with each job: there are none. */
const EMPTY_ROUTES: AppControllerRoute[] = [
  {
    method: 'get',
    route: '/api/queues/:queueName/:jobId/flow',
    handler: (request) => ({
      body: { nodeId: request?.params['jobId'] as unknown, isFlowNode: false, flowRoot: null },
    }),
  },
  { method: 'get', route: '/api/queues/:queueName/:jobId/logs', handler: () => ({ body: [] }) },
];

function readingRoute(route: AppControllerRoute): AppControllerRoute {
  return {
    ...route,
    handler: async (request) =>
      found(await route.handler(request && { ...request, query: queryOf(request) })),
  };
}

function queryOf({ query }: BullBoardRequest): Record<string, unknown> {
  const parsed = listQuery.safeParse(query);
  if (parsed.success) return parsed.data;
  const keys = parsed.error.issues.map(({ path }) => `query.${path.join('.')}`);
  throw new AppError('invalid_request', { message: `${keys.join(', ')}: not as the page sends it` });
}

/** Errors are told as they are everywhere. */
function found(answer: ControllerHandlerReturnType): ControllerHandlerReturnType {
  if ((answer.status ?? 200) >= 400) throw new AppError('not_found');
  return answer;
}

/** A queue as the board shows it. */
class ShownQueue extends BullMQAdapter {
  constructor(queue: Queue) {
    super(queue, { readOnlyMode: true, allowRetries: false });
  }

  override async getJob(id: string): Promise<Job | undefined> {
    try {
      const job = await super.getJob(id);
      return job && bare(job);
    } catch (error) {
      // Another key of the queue has that name.
      if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined;
      throw error;
    }
  }

  override async getJobs(...args: Parameters<BullMQAdapter['getJobs']>): Promise<Job[]> {
    const jobs: (Job | undefined)[] = await super.getJobs(...args);
    return jobs.filter((job) => job !== undefined).map(bare);
  }
}

/** With nothing in it but ids and times: errors and results could hold anything. */
function bare(job: Job): Job {
  const { id, name, timestamp, processedOn, finishedOn, attemptsMade, delay, priority } = job;
  const given = Object.entries((job.data ?? {}) as Record<string, unknown>);
  const shown = {
    id,
    name,
    timestamp,
    processedOn,
    finishedOn,
    attemptsMade,
    delay,
    data: Object.fromEntries(given.filter(([key]) => SHOWN_DATA.includes(key))),
    opts: { priority },
    progress: 0,
    stacktrace: [],
    failedReason: job.failedReason ? 'failed' : '',
    returnvalue: null,
  };
  return Object.assign(job, { toJSON: () => shown });
}

/** Its page asks a font server, which would learn who watches; without that it takes a font of the browser. */
function withoutForeignLinks(type: unknown, payload: string): string {
  return String(type).startsWith('text/html')
    ? payload.replaceAll(/<link\s[^>]*href="https?:[^>]*>/g, '')
    : payload;
}
