import type { CallPort } from '../../src/call/acceptance.ts';
import type { DeliverySettings } from '../../src/verification/delivery.ts';
import type { FlashSettings } from '../../src/verification/flash.ts';

/** Lines without anything behind them. */
export class Switchboard implements CallPort {
  lines = 10;
  lacks: readonly string[] = [];
  readonly reserved = new Set<string>();
  readonly dialled: string[] = [];
  readonly hungUp: string[] = [];
  readonly settled: string[] = [];

  missing(): readonly string[] {
    return this.lacks;
  }

  room(): boolean {
    return this.reserved.size < this.lines;
  }

  reserve(callId: string): boolean {
    return this.room() && this.reserved.add(callId) !== undefined;
  }

  release(callId: string): void {
    this.reserved.delete(callId);
  }

  disown(callId: string): void {
    this.reserved.delete(callId);
  }

  dial(callId: string): void {
    this.dialled.push(callId);
  }

  settle(callId: string): void {
    this.settled.push(callId);
  }

  hangUp(callId: string): void {
    this.hungUp.push(callId);
  }

  token(): string {
    return 'here';
  }
}

export const DELIVERY: DeliverySettings = {
  gate: { always: false, digit: '1', seconds: 8, repeatTimes: 2 },
  voicemail: { rule: 'ignore' },
  flash: { voiceAfterSeconds: 20 },
};

/** 2 checks at 0.5 need four numbers. */
export const FLASH: FlashSettings = {
  hiddenDigits: 4,
  ringHoldMs: 2500,
  maxRingSeconds: 10,
  maxChecks: 2,
  maxGuessProbability: 0.5,
  reuseWindowSeconds: 3600,
};
