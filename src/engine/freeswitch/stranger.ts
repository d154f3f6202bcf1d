import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:tls';
import { strangerCertificate } from './stranger-certificate.ts';

/** Alerts of a client that does not believe a certificate (RFC 8446 §6.2). */
const DISBELIEF = /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN)$/;

/** `absent`: nobody came in good time, or went without a word. */
export type StrangerVerdict = 'refused' | 'believed' | 'absent';

/**
 * Shows a certificate that nobody can know to whoever connects, and says whether the first who finishes believed it.
 *
 * @param address IP literal of this machine on which to wait, at a port of the system's choice
 * @param invite asks somebody to connect there by TLS; rejects where he will not come
 */
export async function beStranger(
  address: string,
  waitMs: number,
  invite: (port: number) => Promise<unknown>,
): Promise<StrangerVerdict> {
  const server = createServer(strangerCertificate(Date.now()));
  let settle: (verdict: StrangerVerdict) => void = () => {};
  const verdict = new Promise<StrangerVerdict>((resolve) => {
    settle = resolve;
  });
  server.on('error', () => settle('absent'));
  server.on('secureConnection', () => settle('believed'));
  server.on('tlsClientError', (error: Error & { code?: string }) => {
    if (DISBELIEF.test(error.code ?? '')) settle('refused');
  });
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => undefined);
    // Nothing of theirs outlives the trial.
    void verdict.then(() => socket.destroy());
  });
  const timer = setTimeout(() => settle('absent'), waitMs);
  server.listen(0, address, () => {
    invite((server.address() as AddressInfo).port).catch(() => settle('absent'));
  });
  try {
    return await verdict;
  } finally {
    clearTimeout(timer);
    server.close();
  }
}
