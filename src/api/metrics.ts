import { collectDefaultMetrics, Registry } from 'prom-client';
import { z } from 'zod';
import type { Call, Disposition } from '../call/call.ts';
import { durations, mayProve } from '../call/call.ts';
import type { HepCounters } from '../trace/hep-exporter.ts';
import type { VerificationStatus } from '../verification/verification.ts';
import { Meters } from './meters.ts';
import { errorAnswers } from './schemas.ts';
import type { Api } from './server.ts';
import type { WebhookState } from './webhook-metrics.ts';
import { webhookMetrics } from './webhook-metrics.ts';

/** What the service counts, for Prometheus. Labels come from closed lists: no number, id of a call or path is one. */
export interface ApiMetrics {
  verificationStarted(): void;
  verificationEnded(status: Exclude<VerificationStatus, 'pending'>): void;
  callEnded(call: Call): void;
  /** @param limit what there was too much of, or `destination`: from a closed list */
  requestRefused(limit: string): void;
  request(labels: { method: string; route: string; status: number }, seconds: number): void;
  /** The page as Prometheus reads it, with its content type. */
  page(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** A provider of speech: where its clips came from since the beginning, one by one. */
export interface SpeechState {
  /** As the configuration names it. */
  readonly id: string;
  readonly healthy: boolean;
  readonly memoryHits: number;
  readonly diskHits: number;
  readonly synthesised: number;
  /** Asked for, and not usable or not in time. */
  readonly failed: number;
}

/** What one process knows of those that share its store. */
export interface ClusterState {
  /** Processes that may carry calls, this one included. */
  readonly nodes: number;
  /** Ends of calls that wait on this machine's disk for the store. */
  readonly spooled: number;
  /** Whether this process may still carry calls, for all it knows. */
  readonly trusted: boolean;
}

/** What is not counted, but looked at. */
export interface MetricsSources {
  /** Calls under way. */
  readonly activeCalls: () => number;
  /** The providers of speech. */
  readonly speech?: () => readonly SpeechState[];
  /** Prefixes to which no flash calls go for a while: few at a time. */
  readonly flashPauses?: () => readonly { readonly prefix: string; readonly ratio: number }[];
  /** Messages for the capture server since the beginning, by what became of them; undefined without one. */
  readonly captured?: () => HepCounters | undefined;
  /** Undefined where the store is shared with nobody. */
  readonly cluster?: () => ClusterState | undefined;
  /** Undefined where nobody is told anything. */
  readonly webhooks?: () => Promise<WebhookState | undefined>;
}

/**
 * Metrics with a registry of their own, so that two servers in one process do not meet.
 *
 * @param sources asked whenever the page is read
 */
export function createMetrics(sources: MetricsSources): ApiMetrics {
  const { activeCalls, speech = () => [], flashPauses = () => [] } = sources;
  const { captured = () => undefined, cluster = () => undefined, webhooks = async () => undefined } = sources;
  const registry = new Registry();
  const meters = new Meters(registry);
  collectDefaultMetrics({ register: registry });

  const started = meters.counter('voice_otp_verifications_started_total', 'Verifications accepted.');
  const ended = meters.counter(
    'voice_otp_verifications_ended_total',
    'Verifications that became final, by status. Nothing happens when one expires: those are not counted.',
    ['status'],
  );
  const calls = meters.counter('voice_otp_calls_total', 'Calls that ended, by disposition.', ['disposition']);
  const refused = meters.counter(
    'voice_otp_requests_refused_total',
    'Verifications and calls that were refused, by limit; `destination`: numbers that may not be called.',
    ['limit'],
  );
  const active = meters.gauge('voice_otp_active_calls', 'Calls under way.');
  const postDialDelay = meters.histogram(
    'voice_otp_post_dial_delay_seconds',
    'From the INVITE to the first ringing, early media or answer.',
    [0.1, 0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 20],
  );
  const requests = meters.histogram(
    'voice_otp_http_request_duration_seconds',
    'Time to answer an HTTP request, by route; event streams count until they end.',
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    ['method', 'route', 'status'],
  );

  const prompts = meters.counter(
    'voice_otp_prompts_total',
    'Prompts of calls that ended, by what was said instead of what was asked for.',
    ['fallback'],
  );
  const healthy = meters.gauge(
    'voice_otp_tts_healthy',
    '1: this provider of speech is asked. 0: it failed several times in a row and is left alone.',
    ['provider'],
  );
  const clips = meters.counter(
    'voice_otp_tts_clips_total',
    'Pieces of speech, by provider and by where they came from.',
    ['provider', 'source'],
  );
  const pauses = meters.gauge(
    'voice_otp_flash_paused_ratio',
    'Prefixes to which flash calls pause, with the share of them that was answered.',
    ['prefix'],
  );
  const messages = meters.counter(
    'voice_otp_hep_messages_total',
    'SIP messages for the capture server, by what became of them; nobody says whether what was sent arrived.',
    ['result'],
  );
  const noteCluster = clusterGauges(meters, cluster);
  const noteWebhooks = webhookMetrics(meters, webhooks);
  const noteCaptured = (): void => {
    messages.reset();
    for (const [result, count] of Object.entries(captured() ?? {})) messages.inc({ result }, count);
  };
  const noteFlash = (): void => {
    pauses.reset();
    for (const { prefix, ratio } of flashPauses()) pauses.set({ prefix }, ratio);
  };
  const noteSpeech = (): void => {
    clips.reset();
    for (const { id: provider, healthy: works, ...counts } of speech()) {
      healthy.set({ provider }, works ? 1 : 0);
      clips.inc({ provider, source: 'memory' }, counts.memoryHits);
      clips.inc({ provider, source: 'disk' }, counts.diskHits);
      clips.inc({ provider, source: 'synthesised' }, counts.synthesised);
      clips.inc({ provider, source: 'failed' }, counts.failed);
    }
  };

  return {
    verificationStarted: () => started.inc(),
    verificationEnded: (status) => ended.inc({ status }),
    callEnded: (call) => {
      const disposition: Disposition = call.disposition ?? 'failed';
      calls.inc({ disposition });
      if (call.prompt !== null) {
        prompts.inc({ fallback: call.prompt.fallback });
      }
      if (call.verificationId !== null && !mayProve(call) && disposition !== 'canceled') {
        ended.inc({ status: 'failed' });
      }
      for (const { pddMs } of call.attempts.map(durations)) {
        if (pddMs !== null) {
          postDialDelay.observe(pddMs / 1000);
        }
      }
    },
    requestRefused: (limit) => refused.inc({ limit }),
    request: ({ method, route, status }, seconds) =>
      requests.observe({ method, route, status: String(status) }, seconds),
    page: async () => {
      active.set(activeCalls());
      noteSpeech();
      noteFlash();
      noteCaptured();
      noteCluster();
      await noteWebhooks();
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

function clusterGauges(meters: Meters, cluster: () => ClusterState | undefined): () => void {
  const nodes = meters.gauge(
    'voice_otp_nodes',
    'Processes that share the store and may carry calls, as this one sees it; 0 where it is shared with nobody.',
  );
  const spooled = meters.gauge(
    'voice_otp_spooled_calls',
    'Ends of calls that wait on the disk of this machine for the store.',
  );
  const trusted = meters.gauge(
    'voice_otp_node_trusted',
    '0: this process was not heard of for so long that others may carry its calls; it dials nothing meanwhile.',
  );
  return () => {
    const state = cluster() ?? { nodes: 0, spooled: 0, trusted: true };
    nodes.set(state.nodes);
    spooled.set(state.spooled);
    trusted.set(state.trusted ? 1 : 0);
  };
}

/** `/metrics`: needs a key where there are keys, since it tells how busy the service is. */
export function metricsRoute(api: Api, metrics: ApiMetrics): void {
  api.route({
    method: 'GET',
    url: '/metrics',
    schema: {
      tags: ['service'],
      summary: 'Counters for Prometheus',
      response: {
        200: { description: 'Text exposition format', content: { 'text/plain': { schema: z.string() } } },
        ...errorAnswers('unauthorized'),
      },
    },
    handler: async (_request, reply) => {
      const { contentType, text } = await metrics.page();
      return reply.header('content-type', contentType).send(text);
    },
  });
}
