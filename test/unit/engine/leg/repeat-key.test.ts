import { expect, it } from 'vitest';
import { RepeatKey } from '../../../../src/engine/leg/repeat-key.ts';

it('RepeatKey: repeats only so often, and only for its key', () => {
  const repeat = new RepeatKey({ key: '*', times: 2 });
  expect(Array.from('1**#*', (key) => repeat.press(key))).toEqual([false, true, true, false, false]);
  expect(Array.from('1*', (key) => repeat.is(key))).toEqual([false, true]);
});
