import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { html } from '../../../src/page/html.ts';

describe('html', () => {
  it('escapes texts and joins what is HTML already', () => {
    const inner = html`<b>${'<i>&"\''}</b>`;
    expect(html`<p title="${'a"b'}">${inner}${7}</p>`.text).toBe(
      '<p title="a&quot;b"><b>&lt;i&gt;&amp;&quot;&#39;</b>7</p>',
    );
  });

  it('joins lists and leaves nothing out for what is nothing', () => {
    const items = ['<1>', html`<li>`, ['&', null]];
    expect(html`${items}${null}${undefined}${false}${''}|${0}`.text).toBe('&lt;1&gt;<li>&amp;|0');
  });

  it('never lets a text open a tag or end an attribute', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const made = html`<a title="${text}">${text}</a>`.text;
        expect(made.match(/[<>"']/g)).toEqual(['<', '"', '"', '>', '<', '>']);
      }),
    );
  });
});
