import type { Channel } from '../verification/verification.ts';
import type { Country } from './countries.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import type { Surface } from './sheet.ts';
import { sheet } from './sheet.ts';

/** What the form holds when it is shown, such as what was wrong in it. */
export interface StartForm {
  /** Those to choose from. */
  readonly countries: readonly Country[];
  readonly country: string;
  readonly number: string;
  readonly channel: Channel;
  readonly token: string;
  readonly channels: readonly Channel[];
  readonly complaint?: { readonly about: 'number' | 'all'; readonly text: string } | undefined;
}

/** Number and meaning of a lab phone that is worth a try. */
export interface LabNumber {
  readonly number: string;
  /** As it is typed, and as a link to the form fills it in. */
  readonly national: string;
  readonly what: string;
}

const CHANNELS: Readonly<Record<Channel, readonly [name: string, what: string]>> = {
  voice: ['Voice call', 'We call and say a code. You type it here.'],
  flash: ['Flash call', 'The phone rings briefly. The number that called is the proof.'],
  auto: ['Flash, then voice', 'A flash call first; a spoken code where that was not enough.'],
  sms: ['Text message', 'We send a code as a text. You type it here.'],
};

export function startPage(surface: Surface, form: StartForm, numbers: readonly LabNumber[]): string {
  return sheet(surface, {
    title: 'Verify a phone number',
    isWide: numbers.length > 0,
    main: html`<div class="columns">
<section class="card" aria-labelledby="title">
<h1 id="title">Verify a phone number</h1>
<p class="lead">Prove that a number can be reached: by a code, or by the call itself.</p>
${form.complaint === undefined ? '' : html`<p class="notice bad" role="alert" id="complaint">${form.complaint.text}</p>`}
${startForm(form)}
</section>
${numbers.length === 0 ? '' : labNumbers(numbers)}
</div>`,
  });
}

function startForm(form: StartForm): Html {
  const { countries, country, number, channel, channels, token, complaint } = form;
  const isBad = complaint?.about === 'number';
  return html`<form method="post" action="/try" class="stack">
<input type="hidden" name="_csrf" value="${token}">
<div class="pair">
<div class="field"><label for="country">Country</label>
<select id="country" name="country" autocomplete="country">${countries.map(
    ({ code, name, callingCode }) =>
      html`<option value="${code}"${code === country ? html` selected` : ''}>${name} (+${callingCode})</option>`,
  )}</select></div>
<div class="field"><label for="number">Phone number</label>
<input id="number" name="number" type="tel" inputmode="tel" autocomplete="tel" required maxlength="40" value="${number}" aria-describedby="${isBad ? 'complaint ' : ''}number-hint"${isBad ? html` aria-invalid="true"` : ''}>
</div></div>
<p class="hint" id="number-hint">With or without its leading zero. A number that begins with + keeps its own country.</p>
<fieldset><legend>How it is proven</legend><div class="choices">${channels.map((one) => {
    const [name, what] = CHANNELS[one];
    return html`<label class="choice"><input type="radio" name="channel" value="${one}"${one === channel ? html` checked` : ''}><span><strong>${name}</strong><small>${what}</small></span></label>`;
  })}</div></fieldset>
<button type="submit" class="button primary">Verify</button>
</form>`;
}

function labNumbers(numbers: readonly LabNumber[]): Html {
  return html`<section class="card quiet" aria-labelledby="lab-title">
<h2 id="lab-title">Lab numbers</h2>
<p>Nobody has these numbers: the lab carrier answers for them, and the last three digits say how. Choose one to fill in the form.</p>
<ul class="numbers">${numbers.map(
    ({ number, national, what }) =>
      html`<li><a href="/try?number=${encodeURIComponent(number)}"><span class="mono">${national}</span><span>${what}</span></a></li>`,
  )}</ul>
<p class="hint">Whatever calls the lab, this page or <span class="mono">curl</span>, shows up at <a href="/try/lab">Lab phones</a>.</p>
</section>`;
}
