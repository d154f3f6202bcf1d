import { expect, it } from 'vitest';
import { callForm } from '../../../src/api/restcomm-calls-schemas.ts';

const FORM = { From: '447418340465', To: '447911123456', Url: 'https://shop.example/say.xml' };

it.each([
  ['ringing, completed '.repeat(3000), ['ringing', 'completed']],
  ['completed\n', ['completed']],
  [' , ', ['completed']],
])('keeps each event of a form once', (StatusCallbackEvent, kept) => {
  expect(callForm.parse({ ...FORM, StatusCallbackEvent }).StatusCallbackEvent).toEqual(kept);
});
