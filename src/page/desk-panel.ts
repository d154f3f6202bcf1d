import { readableNumber } from './entered-number.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import type { DeskPhone, DeskText } from './lab-desk.ts';
import type { Part } from './part.ts';
import { framed, part } from './part.ts';
import type { Surface } from './sheet.ts';
import { sheet } from './sheet.ts';

const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];
const ENDS: Readonly<Record<NonNullable<DeskPhone['end']>, string>> = {
  canceled: 'The caller gave up',
  refused: 'Declined or refused',
  they_hung_up: 'The caller hung up',
  we_hung_up: 'Hung up here',
  lost: 'The connection was lost',
};

/** What a form of a phone needs. */
interface DeskForms {
  readonly token: string;
  /** Where its answer leads. */
  readonly back: string;
}

/** Phones and texts as they lie on the desk, a part each, the earliest first. */
export function deskParts(
  desk: { readonly phones: readonly DeskPhone[]; readonly texts: readonly DeskText[] },
  forms: DeskForms,
): readonly Part[] {
  return [
    ...desk.phones.map((phone) => ({ at: phone.reachedAt, made: phonePart(phone, forms) })),
    ...desk.texts.map((text) => ({ at: text.at, made: textPart(text) })),
  ]
    .toSorted((one, other) => one.at - other.at)
    .map(({ made }) => made);
}

/** All phones of the lab that something has reached. */
export function deskPage(surface: Surface, parts: readonly Part[]): string {
  return sheet(surface, {
    title: 'Lab phones',
    live: '/try/lab/events',
    isWide: true,
    main: html`<section class="desk all" aria-labelledby="title"><h1 id="title">Lab phones</h1>
<p class="lead">Whatever calls the lab carrier, this page or another program. Numbers that end in 700 to 709 ring until you answer them.</p>
<div id="phones" class="phones grid">${parts.toReversed().map((one) => framed(one, { tag: 'section', className: 'phone' }))}<p class="empty">No phone was called yet.</p></div>
<p class="again"><a href="/try/lab">Look again</a></p></section>`,
  });
}

function textPart({ id, number, from, text }: DeskText): Part {
  return part(
    `text-${id}`,
    html`<header><span class="mono">${readableNumber(number)}</span><span class="state over">Text message</span></header>
<p class="from">From <span class="mono">${from === null ? 'nobody' : readableNumber(from)}</span></p><p class="bubble">${text}</p>`,
    { into: 'phones' },
  );
}

function phonePart(phone: DeskPhone, forms: DeskForms): Part {
  const { id, number, caller, what, state, end, pressed, answeredAt, endedAt } = phone;
  const lasted =
    answeredAt !== null && endedAt !== null ? `, ${((endedAt - answeredAt) / 1000).toFixed(1)} s` : '';
  return part(
    `phone-${id}`,
    html`<header><span class="mono">${readableNumber(number)}</span><span class="state ${state}">${STATES[state]}</span></header>
<p class="from">Called by <span class="mono">${caller === null ? 'a hidden number' : readableNumber(caller)}</span></p>
<p class="hint">This phone: ${what}.</p>
${state === 'ringing' ? ringing(phone, forms) : ''}${state === 'talking' ? talking(phone, forms) : ''}
${pressed === '' ? '' : html`<p class="hint">Keys pressed: <span class="mono">${pressed}</span></p>`}
${end === null ? '' : html`<p class="end">${ENDS[end]}${lasted}.</p>`}
${state === 'over' ? heard(phone) : ''}`,
    { token: forms.token, into: 'phones' },
  );
}

const STATES: Readonly<Record<DeskPhone['state'], string>> = {
  reached: 'Reached',
  ringing: 'Ringing',
  talking: 'Connected',
  over: 'Over',
};

function ringing({ id, number }: DeskPhone, forms: DeskForms): Html {
  return html`<div class="actions">${deskForm(id, 'answer', forms, html`<button class="button good" id="answer-${id}" aria-label="Answer ${number}">Answer</button>`)}${deskForm(id, 'hang-up', forms, html`<button class="button bad" id="decline-${id}" aria-label="Decline ${number}">Decline</button>`)}</div>`;
}

function talking({ id, number }: DeskPhone, forms: DeskForms): Html {
  const keys = html`<div class="keypad" role="group" aria-label="Keys of ${number}">${KEYS.map((key, i) => html`<button class="key" name="keys" value="${key}" id="key-${id}-${i}"${NAMED_KEYS[key] === undefined ? '' : html` aria-label="${NAMED_KEYS[key]}"`}>${key}</button>`)}</div>`;
  return html`${deskForm(id, 'press', forms, keys)}<div class="actions">${deskForm(id, 'hang-up', forms, html`<button class="button bad" id="hangup-${id}">Hang up</button>`)}</div>`;
}

const NAMED_KEYS: Readonly<Record<string, string>> = { '*': 'star', '#': 'hash' };

function deskForm(id: string, action: string, { token, back }: DeskForms, content: Html): Html {
  return html`<form method="post" action="/try/lab/phones/${id}/${action}" data-quiet><input type="hidden" name="_csrf" value="${token}"><input type="hidden" name="back" value="${back}">${content}</form>`;
}

function heard({ id, heard: digits, number, answeredAt }: DeskPhone): Html {
  if (answeredAt === null) return html``;
  const said =
    digits === null
      ? ''
      : digits.length === 0
        ? html`<p class="hint">No digits were heard.</p>`
        : html`<p class="heard">Heard ${digits.map((group) => html`<span class="mono">${group}</span>`)}</p>`;
  return html`${said}<audio controls preload="none" src="/try/lab/phones/${id}/recording.wav" aria-label="What ${number} heard"></audio>`;
}
