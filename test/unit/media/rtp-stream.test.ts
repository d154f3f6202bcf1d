import { expect, it } from 'vitest';
import type { AnswerFinding } from '../../../src/media/answer-detector.ts';
import { NO_RTP_STATS } from '../../../src/media/rtp-messages.ts';
import { RtpStream } from '../../../src/media/rtp-stream.ts';

const TONE: AnswerFinding = { type: 'tone_ended', atMs: 1000 };

it('RtpStream: tells what was found of who answered, until it is closed', async () => {
  const found: AnswerFinding[] = [];
  const posted: string[] = [];
  const stream = new RtpStream({
    id: 1,
    port: 2000,
    rtcpPort: 2001,
    listener: { onFinding: (finding) => found.push(finding) },
    post: ({ type }) => posted.push(type),
  });
  stream.receive({ type: 'finding', id: 1, finding: TONE });
  expect(found).toEqual([TONE]);
  const closing = stream.close();
  // It was on its way.
  stream.receive({ type: 'finding', id: 1, finding: TONE });
  stream.receive({ type: 'closed', id: 1, stats: NO_RTP_STATS });
  expect(await closing).toEqual(NO_RTP_STATS);
  expect(found).toEqual([TONE]);
  expect(posted).toEqual(['close']);
});
