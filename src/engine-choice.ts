import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { EmbeddedEngine } from './engine/embedded/embedded-engine.ts';
import type { Engine } from './engine/engine.ts';
import { FreeswitchEngine } from './engine/freeswitch/freeswitch-engine.ts';
import type { WireMessage } from './sip/transport.ts';

/** The engine that the configuration asks for; not started. */
export function engineOf(
  config: Config,
  logger: Logger,
  onWire: ((message: WireMessage) => void) | undefined,
): Engine {
  const { sip, rtp, freeswitch } = config;
  const onFault = (err: unknown): void => logger.error({ err }, 'the engine went on after a fault');
  if (config.engine === 'freeswitch')
    return new FreeswitchEngine({
      ...freeswitch,
      instance: config.cluster.node,
      userAgent: sip.userAgent,
      onFault,
      onChange: (change) => logger.warn({ change }, 'a server of the engine'),
      ...(onWire === undefined ? {} : { onWire }),
    });
  return new EmbeddedEngine({
    sip,
    rtp: { ...rtp, host: rtp.host ?? sip.host },
    onFault,
    ...(onWire === undefined ? {} : { onWire }),
  });
}

/** What did not work when the engine did not start, for the operator. */
export function startComplaint(config: Config): string {
  return config.engine === 'freeswitch'
    ? 'The engine cannot start'
    : `SIP cannot listen on ${config.sip.host}, port ${config.sip.port}`;
}
