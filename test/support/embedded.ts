import { EmbeddedEngine, type EmbeddedEngineOptions } from '../../src/engine/embedded/embedded-engine.ts';

/** An embedded engine on loopback, on ports of its own where none is named. */
export async function startEmbedded(
  options: {
    onFault?: (error: unknown) => void;
    t1Ms?: number;
    port?: number;
    onWire?: EmbeddedEngineOptions['onWire'];
  } = {},
): Promise<EmbeddedEngine> {
  const { onFault = () => {}, t1Ms = 50, port = 0, onWire } = options;
  const engine = new EmbeddedEngine({
    sip: { host: '127.0.0.1', port, tcp: true, userAgent: 'voice-otp test', t1Ms },
    rtp: { host: '127.0.0.1', portMin: 0, portMax: 0, symmetric: true, drainMs: 0 },
    onFault,
    ...(onWire === undefined ? {} : { onWire }),
  });
  await engine.start();
  return engine;
}
