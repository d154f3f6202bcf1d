import { createHash } from 'node:crypto';
import type { Html } from './html.ts';
import { html } from './html.ts';

/** A piece of a page that changes while somebody looks at it. */
export interface Part {
  /** Of its element. */
  readonly id: string;
  /** Equal contents have equal versions. */
  readonly version: string;
  readonly content: Html;
  /** Of the element that it is put into where it is not there yet; without it, it is always there. */
  readonly into?: string;
}

/** How an element says that a change in it is read aloud, and what it looks like. */
interface PartFrame {
  readonly tag?: 'div' | 'li' | 'section';
  readonly className?: string;
  /** `status`: what changes in it is read aloud as soon as the reader is free (WAI-ARIA 1.2). */
  readonly role?: 'status';
}

/** @param token of its forms: it is another each time, and changes nothing */
export function part(
  id: string,
  content: Html,
  { token, into }: { readonly token?: string; readonly into?: string } = {},
): Part {
  const lasting = token === undefined ? content.text : content.text.replaceAll(token, '');
  const version = createHash('sha256').update(lasting).digest('base64url').slice(0, 10);
  return { id, version, content, ...(into === undefined ? {} : { into }) };
}

/** The element that holds a part. */
export function framed({ id, version, content }: Part, frame: PartFrame = {}): Html {
  const { className = '', role } = frame;
  const attributes = html`id="${id}" class="${className}" data-version="${version}"${role === undefined ? '' : html` role="${role}"`}`;
  if (frame.tag === 'li') return html`<li ${attributes}>${content}</li>`;
  if (frame.tag === 'section') return html`<section ${attributes}>${content}</section>`;
  return html`<div ${attributes}>${content}</div>`;
}
