import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type Random, seededRandom } from './seeded-random.ts';

/**
 * Forwards datagrams both ways between its clients and one server, and drops some of them. Which ones depends
 * on the seed, the direction, the Call-ID and their number in that call, so that one call does not change
 * another's luck and every run is the same.
 */
export interface LossyRelay {
  readonly port: number;
  readonly forwarded: number;
  readonly dropped: number;
  close(): Promise<void>;
}

export async function startLossyRelay(serverPort: number, loss: number, seed: number): Promise<LossyRelay> {
  const front = createSocket('udp4');
  /** One socket per client, so that the server sees them apart. */
  const backs = new Map<number, Socket>();
  const counts = { forwarded: 0, dropped: 0 };
  const luck = new Map<string, Random>();

  const luckOf = (direction: string, bytes: Buffer): Random => {
    const key = `${seed}${direction}${/\r\nCall-ID: (.*)\r\n/.exec(bytes.toString('latin1'))?.[1]}`;
    const random = luck.get(key) ?? seededRandom(createHash('md5').update(key).digest().readUInt32LE());
    luck.set(key, random);
    return random;
  };

  const pass = (direction: 'there' | 'back', through: Socket, bytes: Buffer, port: number): void => {
    if (luckOf(direction, bytes)() < loss) {
      counts.dropped++;
      return;
    }
    counts.forwarded++;
    through.send(bytes, port, '127.0.0.1');
  };

  const backFor = (clientPort: number): Socket => {
    const known = backs.get(clientPort);
    if (known !== undefined) return known;
    const back = createSocket('udp4');
    back.on('message', (bytes) => pass('back', front, bytes, clientPort));
    backs.set(clientPort, back);
    return back;
  };

  front.on('message', (bytes, from) => pass('there', backFor(from.port), bytes, serverPort));
  front.bind(0, '127.0.0.1');
  await once(front, 'listening');
  return {
    port: front.address().port,
    get forwarded() {
      return counts.forwarded;
    },
    get dropped() {
      return counts.dropped;
    },
    close: async () => {
      const sockets = [front, ...backs.values()];
      await Promise.all(
        sockets.map((socket) => {
          const over = once(socket, 'close');
          socket.close();
          return over;
        }),
      );
    },
  };
}
