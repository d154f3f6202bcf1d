import { parseNameAddress } from '../../../src/sip/header.ts';
import {
  header,
  type Malformed,
  parseMessage,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from '../../../src/sip/message.ts';
import type { TortureTable } from './torture-message.ts';

export function readTorture(table: TortureTable, name: string): SipMessage | Malformed {
  const message = parseMessage(table[name] ?? Buffer.alloc(0));
  if (message.kind === 'keep_alive') throw new Error(`there is no message ${name}`);
  return message;
}

export function tortureRequest(table: TortureTable, name: string): SipRequest {
  const message = readTorture(table, name);
  if (message.kind !== 'request') throw new Error(`${name} is ${JSON.stringify(message)}`);
  return message;
}

export function tortureResponse(table: TortureTable, name: string): SipResponse {
  const message = readTorture(table, name);
  if (message.kind !== 'response') throw new Error(`${name} is ${JSON.stringify(message)}`);
  return message;
}

export const nameIn = (message: SipMessage, key: 'From' | 'To' | 'Contact') =>
  parseNameAddress(header(message, key) ?? '');
