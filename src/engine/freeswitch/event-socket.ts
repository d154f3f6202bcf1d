import { createServer, type Socket } from 'node:net';
import esl, { type Connection } from 'drachtio-modesl';
import { untilAborted, within } from '../leg/deadline.ts';
import type { ServerAddress } from './drachtio-connection.ts';

/** Until FreeSWITCH took the password. */
const CONNECT_MS = 5000;
const REPLY_MS = 3000;
/** Who connects to us and is no channel of FreeSWITCH has this long to prove it. */
const INTRODUCTION_MS = 5000;
/** A channel for which nobody waits has this long to end itself, as it is told to. */
const DISMISSAL_MS = 1000;
/** More than any event: who sends it without an end is no FreeSWITCH. */
const MAX_BUFFERED_BYTES = 2 ** 20;

/** Connects to the event socket of a FreeSWITCH. Rejects with an Error that says what is wrong. */
export async function openEventSocket(
  server: ServerAddress,
  onFault: (error: unknown) => void,
): Promise<Connection> {
  let connection: Connection | undefined;
  const ready = new Promise<Connection>((resolve, reject) => {
    const made = new esl.Connection(server.host, server.port, server.secret.reveal(), () => resolve(made));
    connection = made;
    // It would reconnect without its subscriptions; whoever opened it opens another one.
    made.closing = true;
    made.on('error', reject);
    made.once('esl::connect', () => guardParser(made, onFault));
    made.on('esl::event::auth::fail', () => reject(new Error('wrong password')));
    made.on('esl::event::raw::text/rude-rejection', () => reject(new Error('refused by its access list')));
    made.on('esl::end', () => reject(new Error('connection closed')));
  });
  try {
    return await within(CONNECT_MS, ready, 'no answer from the event socket');
  } catch (error) {
    connection?.socket?.destroy();
    throw error;
  }
}

/** Runs an API command. Rejects when FreeSWITCH does not answer, or its connection is lost. */
export async function eslCommand(
  connection: Connection,
  command: string,
  lost?: AbortSignal,
): Promise<string> {
  const answer = new Promise<string>((resolve) => {
    connection.api(command, (event) => resolve(event.getBody()));
  });
  const awaited =
    lost === undefined ? answer : untilAborted(lost, answer, new Error('the event socket is lost'));
  return within(REPLY_MS, awaited, `no answer to \`${command.split(' ')[0]}\``);
}

/**
 * The parser of drachtio-modesl throws on bytes that are no event, into the socket's event: the process would
 * end. Whoever sends such bytes is cut off.
 */
function guardParser(connection: Connection, onFault: (error: unknown) => void): void {
  const { socket } = connection;
  if (socket === null) return;
  socket.removeAllListeners('data');
  socket.on('data', (data: Buffer) => {
    try {
      if (connection.parser.buffer.length + data.length > MAX_BUFFERED_BYTES)
        throw new Error('an event without an end');
      connection.parser._onData(data);
    } catch (error) {
      onFault(new Error('an event socket said what cannot be read', { cause: error }));
      socket.destroy();
    }
  });
}

/** Cuts off who connects and does not introduce itself as a channel, or has too much to say before. */
export function guardCaller(connection: Connection, onFault: (error: unknown) => void): void {
  guardParser(connection, onFault);
  const { socket } = connection;
  const timer = setTimeout(() => {
    if (connection.getInfo() === null) socket?.destroy();
  }, INTRODUCTION_MS);
  timer.unref();
  let bytes = 0;
  socket?.on('data', (data: Buffer) => {
    bytes += data.length;
    if (bytes > MAX_BUFFERED_BYTES && connection.getInfo() === null) socket.destroy();
  });
  socket?.once('close', () => clearTimeout(timer));
}

/** Ends a channel for which nobody waits, or no longer; or who only says that it is one. */
export function dismiss(caller: Connection): void {
  const { socket } = caller;
  caller.execute('hangup', 'NORMAL_CLEARING');
  // Whatever it says to that is of no interest.
  socket?.removeAllListeners('data').pause();
  setTimeout(() => socket?.destroy(), DISMISSAL_MS).unref();
}

/**
 * Rejects where nothing can listen there. fsmrf listens without an `error` listener, so that a port in use
 * would end the process.
 */
export async function assertCanListen(host: string, port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => server.close(() => resolve()));
  });
}

/** The address under which the other side of a socket reaches us. */
export function ownAddress(socket: Socket | null): string {
  return (socket?.localAddress ?? '127.0.0.1').replace(/^::ffff:/i, '');
}
