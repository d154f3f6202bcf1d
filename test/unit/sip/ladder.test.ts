import { describe, expect, it } from 'vitest';
import { ladderLine } from '../../../src/sip/ladder.ts';

const PEER = { transport: 'udp', address: '192.0.2.1', port: 5060 } as const;

function rung(first: string, method: string, body: string): string {
  const text = `${first}\r\nCSeq: 1 ${method}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  return ladderLine({ direction: 'out', at: 0, peer: PEER, text }, { startAt: 0 });
}

describe('a rung of the ladder', () => {
  it('says of a text message that it is one, and not what it says', () => {
    const line = rung('MESSAGE sip:a@b.example SIP/2.0', 'MESSAGE', '493817 is your code.');
    expect(line).toContain('MESSAGE (text) ');
    expect(line).not.toContain('4938');
    expect(rung('SIP/2.0 606 No', 'MESSAGE', '493817')).toContain('606 No (MESSAGE) (text) ');
  });

  it('says of a call whether there is a description', () => {
    expect(rung('INVITE sip:a@b.example SIP/2.0', 'INVITE', 'v=0\r\n')).toContain('INVITE (SDP) ');
    expect(rung('INVITE sip:a@b.example SIP/2.0', 'INVITE', '')).not.toContain('(');
  });
});
