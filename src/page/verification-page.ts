import type { Call } from '../call/call.ts';
import type { VerificationView } from '../verification/service.ts';
import type { Channel } from '../verification/verification.ts';
import { readableNumber } from './entered-number.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import type { Part } from './part.ts';
import { framed, part } from './part.ts';
import { standingOf, stepsOf, verdictOf } from './progress.ts';
import type { Surface } from './sheet.ts';
import { sheet } from './sheet.ts';

/** What the page of a verification is made of. */
export interface Situation {
  readonly verification: VerificationView;
  /** Undefined where it is not stored any more. */
  readonly call: Call | undefined;
  readonly token: string;
  /** Whether the page itself finds out which number called, as an application on the phone would. */
  readonly seesCaller: boolean;
}

/** What goes beside it in the lab. */
export interface LabParts {
  readonly phones: readonly Part[];
  readonly ladder: Part;
}

const CHANNEL_NAMES: Readonly<Record<Channel, string>> = {
  voice: 'Voice call',
  flash: 'Flash call',
  auto: 'Flash, then voice',
  sms: 'Text message',
};
/** For browsers without script, where nothing can be typed that would be lost. */
const REFRESH_SECONDS = 2;

/** The pieces that change, in the order of the page. */
export function verificationParts(situation: Situation): readonly [standing: Part, proof: Part, steps: Part] {
  return [
    part('standing', standing(situation)),
    part('proof', proof(situation), { token: situation.token }),
    part('steps', steps(situation.call)),
  ];
}

export function verificationPage(
  surface: Surface,
  situation: Situation,
  options: {
    readonly complaint?: string | undefined;
    readonly lab?: LabParts | undefined;
    /** Whether the browser runs our script, and so needs no reloading. */
    readonly hasScript: boolean;
    /** Whether something may still change by itself. */
    readonly isLive: boolean;
  },
): string {
  const { verification } = situation;
  const { complaint, lab, hasScript, isLive } = options;
  const [standingPart, proofPart, stepsPart] = verificationParts(situation);
  const address = `/try/${verification.id}`;
  const waitsOnly =
    verification.status === 'pending' && verification.channel === 'flash' && situation.seesCaller;
  return sheet(surface, {
    title: verdictOf(verification, situation.call)?.name ?? 'Your call',
    live: isLive ? `${address}/events` : undefined,
    refresh: waitsOnly && !hasScript ? REFRESH_SECONDS : undefined,
    isWide: lab !== undefined,
    main: html`<div class="columns">
<section class="card" aria-labelledby="title">
<p class="eyebrow">${CHANNEL_NAMES[verification.channel]}</p>
<h1 id="title" class="mono">${readableNumber(verification.to)}</h1>
${framed(standingPart, { role: 'status', className: 'standing' })}
${complaint === undefined ? '' : html`<p class="notice bad" role="alert" id="complaint">${complaint}</p>`}
${framed(proofPart, { className: 'proof' })}
<p class="again"><a href="${address}">Look again</a></p>
</section>
${lab === undefined ? '' : labColumn(lab)}
</div>
<div class="columns record">
<section class="card" aria-labelledby="steps-title"><h2 id="steps-title">What happened</h2>${framed(stepsPart, { className: 'steps' })}</section>
${lab === undefined ? '' : html`<section class="card" aria-labelledby="ladder-title"><h2 id="ladder-title">SIP ladder</h2>${framed(lab.ladder)}</section>`}
</div>`,
  });
}

function labColumn({ phones }: LabParts): Html {
  return html`<section class="desk" aria-labelledby="desk-title">
<h2 id="desk-title">Lab phone</h2>
<div id="phones" class="phones">${phones.toReversed().map((one) => framed(one, { tag: 'section', className: 'phone' }))}<p class="empty">Nothing has reached the phone yet.</p></div>
</section>`;
}

function standing({ verification, call }: Situation): Html {
  const verdict = verdictOf(verification, call);
  if (verdict !== undefined) {
    return html`<div class="verdict ${verdict.isGood ? 'good' : 'bad'}"><span class="mark" aria-hidden="true">${verdict.isGood ? '✓' : '✕'}</span><div><strong>${verdict.name}</strong><p>${verdict.text}</p></div></div>`;
  }
  const { tone, text } = standingOf(verification, call);
  return html`<p class="now ${tone}"><span class="pulse" aria-hidden="true"></span>${text}</p>`;
}

function proof(situation: Situation): Html {
  const { verification, seesCaller } = situation;
  const { status, channel, checks, maxChecks, expiresAt, createdAt } = verification;
  if (status !== 'pending') {
    return html`<p><a class="button primary" href="/try">${status === 'approved' ? 'Verify another number' : 'Try again'}</a></p>`;
  }
  const left = maxChecks - checks;
  const until = new Date(expiresAt).toISOString();
  const minutes = Math.round((expiresAt - createdAt) / 60_000);
  return html`${checks > 0 ? html`<p class="notice bad" id="wrong">That was not right.</p>` : ''}
${channel === 'flash' ? '' : codeForm(situation)}
${channel === 'flash' || channel === 'auto' ? callerForm(situation) : ''}
${channel === 'flash' && seesCaller ? html`<p class="hint">The lab reads the number from the phone, as an application on it would: nothing is to be typed.</p>` : ''}
<p class="terms"><span><b>${left}</b> ${left === 1 ? 'try' : 'tries'} left</span><span>Valid for <time data-until="${until}">${minutes} ${minutes === 1 ? 'minute' : 'minutes'}</time></span></p>
<form method="post" action="/try/${verification.id}/cancel" class="foot"><input type="hidden" name="_csrf" value="${situation.token}"><a href="/try">Another number</a><button class="button subtle" id="cancel">Cancel</button></form>`;
}

function codeForm({ verification, token }: Situation): Html {
  const { id, codeLength, checks, sayAs, channel } = verification;
  const isText = sayAs === 'nato';
  return html`<form method="post" action="/try/${id}/check" class="entry">
<input type="hidden" name="_csrf" value="${token}">
<label for="code">${channel === 'auto' ? 'The code that you heard' : 'Code'} <span class="hint">${codeLength} ${isText ? 'characters' : 'digits'}</span></label>
<div class="row"><input id="code" name="code" class="code mono" required maxlength="20" autocomplete="one-time-code" inputmode="${isText ? 'text' : 'numeric'}" spellcheck="false"${checks > 0 ? html` aria-invalid="true" aria-describedby="wrong"` : ''}>
<button class="button primary">Check</button></div>
</form>`;
}

function callerForm({ verification, token }: Situation): Html {
  const { id, flash, channel } = verification;
  if (flash === null) return html``;
  const { hiddenDigits, prefix } = flash;
  return html`<form method="post" action="/try/${id}/check" class="entry">
<input type="hidden" name="_csrf" value="${token}">
<label for="caller">Last ${hiddenDigits} digits of the number that called <span class="hint">it begins with <span class="mono">${prefix}</span></span></label>
<div class="row"><input id="caller" name="callerId" class="code mono" required maxlength="24" autocomplete="off" inputmode="tel" spellcheck="false">
<button class="button${channel === 'flash' ? ' primary' : ''}">Check</button></div>
</form>`;
}

function steps(call: Call | undefined): Html {
  if (call === undefined) return html`<p class="empty">Nothing yet.</p>`;
  return html`<ol>${stepsOf(call).map(
    ({ afterMs, name, more }) =>
      html`<li><span class="at mono">+${(afterMs / 1000).toFixed(1)} s</span><span class="name">${name}</span>${more === null || more === '' ? '' : html`<span class="more">${more}</span>`}</li>`,
  )}</ol>`;
}
