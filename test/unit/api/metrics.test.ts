import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../src/api/metrics.ts';

describe('metrics of a capture server', () => {
  it('tell what became of its messages, each time anew', async () => {
    const counters = { sent: 3, dropped: 2, failed: 1, unfit: 0 };
    const metrics = createMetrics({ activeCalls: () => 0, captured: () => counters });
    await metrics.page();
    counters.sent = 5;
    const { text } = await metrics.page();
    expect(text).toContain('voice_otp_hep_messages_total{result="sent"} 5\n');
    expect(text).toContain('voice_otp_hep_messages_total{result="dropped"} 2\n');
    expect(text).toContain('voice_otp_hep_messages_total{result="failed"} 1\n');
    expect(text).toContain('voice_otp_hep_messages_total{result="unfit"} 0\n');
  });

  it('are none without one', async () => {
    const { text } = await createMetrics({ activeCalls: () => 0 }).page();
    expect(text).not.toContain('voice_otp_hep_messages_total{');
  });
});

describe('metrics of limits', () => {
  it('count refusals by limit', async () => {
    const metrics = createMetrics({ activeCalls: () => 0 });
    for (const limit of ['prefix_hour', 'destination', 'prefix_hour']) metrics.requestRefused(limit);
    const { text } = await metrics.page();
    expect(text).toContain('voice_otp_requests_refused_total{limit="prefix_hour"} 2\n');
    expect(text).toContain('voice_otp_requests_refused_total{limit="destination"} 1\n');
  });
});
