import type { Config } from './config.ts';
import type { WireMessage } from './sip/transport.ts';
import { CallTrace } from './trace/call-trace.ts';
import type { HepCounters } from './trace/hep-exporter.ts';
import { HepExporter } from './trace/hep-exporter.ts';

/** Where SIP messages go for whoever asks what passed: into memory, and to a capture server where there is one. */
export interface Tracing {
  readonly trace: CallTrace;
  /** What became of the messages for the capture server, since the start; undefined without one. */
  sent(): HepCounters | undefined;
  take(message: WireMessage): void;
  close(): Promise<void>;
}

/** Opens the socket to a capture server; messages are masked before they are kept or sent. */
export function startTracing(config: Config['trace']): Tracing {
  const trace = new CallTrace(config);
  const hep = config.hep === undefined ? undefined : exporterOf(config.hep, trace);
  hep?.start();
  return {
    trace,
    sent: () => hep?.counters,
    take: (message) => {
      trace.take(message);
      hep?.take(message);
    },
    close: async () => hep?.close(),
  };
}

function exporterOf(
  { password, ...server }: NonNullable<Config['trace']['hep']>,
  trace: CallTrace,
): HepExporter {
  return new HepExporter({
    ...server,
    ...(password === undefined ? {} : { password: password.reveal() }),
    correlate: (sipCallId) => trace.callOf(sipCallId),
  });
}
