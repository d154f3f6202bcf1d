import { describe, expect, it } from 'vitest';
import { RemoteSource } from '../../../src/media/remote-source.ts';

const SDP = { address: '192.0.2.1', port: 4000 };

describe('RemoteSource', () => {
  it('sends to the SDP until somebody speaks', () => {
    expect(new RemoteSource(SDP, true).target).toEqual(SDP);
  });

  it('follows the first source, and only that', () => {
    const source = new RemoteSource(SDP, true);
    expect(source.accept('198.51.100.7', 9000)).toBe(true);
    expect(source.accept('203.0.113.9', 9000)).toBe(false);
    expect(source.accept('198.51.100.7', 9001)).toBe(false);
    expect(source.target).toEqual({ address: '198.51.100.7', port: 9000 });
  });

  it('returns to the address of the SDP for good, should it speak', () => {
    const source = new RemoteSource(SDP, true);
    source.accept('203.0.113.9', 9000);
    expect(source.accept(SDP.address, SDP.port)).toBe(true);
    expect(source.accept('203.0.113.9', 9000)).toBe(false);
    expect(source.target).toEqual(SDP);
  });

  it('hears another port of the same host, and does not send there', () => {
    const source = new RemoteSource(SDP, true);
    source.accept(SDP.address, SDP.port);
    expect(source.accept(SDP.address, 4002)).toBe(true);
    expect(source.target).toEqual(SDP);
  });

  it('stays with the SDP where following is switched off', () => {
    const source = new RemoteSource(SDP, false);
    expect(source.accept('198.51.100.7', 9000)).toBe(true);
    expect(source.target).toEqual(SDP);
  });
});
