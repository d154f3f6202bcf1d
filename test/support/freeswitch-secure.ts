import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dialogOfUas, requestIn } from '../../src/sip/dialog.ts';
import { SipEndpoint } from '../../src/sip/endpoint.ts';
import { responseTo } from '../../src/sip/response.ts';
import { timersFor } from '../../src/sip/timers.ts';
import type { TlsCertificate } from '../../src/sip/tls-trust.ts';
import type { DrachtioTlsFiles } from './freeswitch-servers.ts';

/** Writes what drachtio reads into a folder. */
export async function drachtioTlsFiles(
  folder: string,
  { cert, key }: TlsCertificate,
  ca: string,
): Promise<Omit<DrachtioTlsFiles, 'verifies'>> {
  const files = {
    certificate: join(folder, 'cert.pem'),
    key: join(folder, 'key.pem'),
    ca: join(folder, 'ca.pem'),
  };
  await writeFile(files.certificate, cert);
  await writeFile(files.key, key.reveal(), { mode: 0o600 });
  await writeFile(files.ca, ca);
  return files;
}

export interface FarEndWishes {
  /** Its m= line, and what follows. */
  readonly media?: string;
  /** Of its Contact, such as `;transport=tcp`. */
  readonly parameter?: string;
  /** BYE as soon as the ACK is there, over the same connection. */
  readonly hangsUp?: boolean;
}

/** Answers every request with 200, at once; tells its test what came and went. */
export async function withFarEndOf(
  {
    media = 'm=audio 9 RTP/AVP 0',
    parameter = '',
    hangsUp = false,
    certificate,
    onFault,
  }: FarEndWishes & { certificate: TlsCertificate; onFault: (error: unknown) => void },
  body: (far: SipEndpoint, words: readonly string[]) => Promise<void>,
): Promise<void> {
  const words: string[] = [];
  const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n${media}\r\n`;
  let bye: (() => void) | undefined;
  const far = new SipEndpoint({
    ...{ host: '127.0.0.1', port: 0, tcp: true, timers: timersFor(500) },
    tls: { port: 0, certificate },
    onRequest: (handle) => {
      const { request, peer } = handle;
      const dialog = request.method === 'INVITE' ? dialogOfUas(request, 't') : undefined;
      const headers = [
        ['Contact', `<sip:phone@127.0.0.1:${far.port}${parameter}>`],
        ['Content-Type', 'application/sdp'],
      ] as const;
      if (dialog !== undefined) {
        const complain = (error?: Error): void => onFault(error ?? new Error('no answer'));
        const listener = { response: () => {}, timeout: complain, transportError: complain };
        bye = () => void far.request(requestIn(dialog, 'BYE')[1], peer, '127.0.0.1', listener);
      }
      handle.respond(
        responseTo(request, 200, { toTag: 't', ...(dialog === undefined ? {} : { headers, body: sdp }) }),
      );
    },
    onWire: ({ direction, peer, text }) => {
      const word = text.split(' ')[0] ?? '';
      words.push(`${direction} ${word} ${peer.transport}`);
      if (word === 'ACK' && hangsUp) bye?.();
    },
    onFault,
  });
  await far.start();
  try {
    await body(far, words);
  } finally {
    await far.close();
  }
}
