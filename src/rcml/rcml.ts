import type { PlaylistItem } from '../prompt/playlist.ts';
import { RcmlError } from './rcml-error.ts';
import type { XmlElement } from './xml-tree.ts';
import { readXml } from './xml-tree.ts';

/** What a document has a call do. */
export interface RcmlScript {
  readonly items: readonly PlaylistItem[];
  /** The document that goes on from there; null: the call is hung up. */
  readonly redirect: { readonly url: string; readonly method: 'GET' | 'POST' } | null;
}

/** A `loop` of 0 goes on for ever in the original; a call of ours ends. */
export const LOOPS_FOR_EVER = 5;
const MAX_LOOPS = 50;
/** Of all documents of a call together, as in the playlist of any call. */
export const MAX_ITEMS = 100;
const MAX_TEXT_LENGTH = 1000;
const MAX_URL_LENGTH = 2048;
const MAX_PAUSE_SECONDS = 120;
/** Codes of the original that are no language tags, or that nobody else uses so. */
const OLD_LANGUAGES: Readonly<Record<string, string>> = {
  bf: 'fr-BE',
  bp: 'pt-BR',
  cf: 'fr-CA',
  dan: 'da',
  no: 'nb',
};
const LANGUAGE = /^[a-z]{2,3}(?:-[a-z0-9]{1,8}){0,4}$/i;
const GENDERS: ReadonlyMap<string, 'male' | 'female'> = new Map([
  ['man', 'male'],
  ['woman', 'female'],
]);

/**
 * Reads RCML: `Say`, `Play`, `Pause`, `Hangup` and `Redirect` in a `Response`, in their order. Other verbs are refused
 * and never left out, since a call that leaves something out says something else. Attributes that are not known do
 * nothing there either.
 *
 * @param base where the document came from: addresses in it may be relative
 * @throws RcmlError
 */
export function readRcml(text: string, base: string): RcmlScript {
  const root = readXml(text);
  if (root.name !== 'Response') throw new RcmlError('it is no <Response>');
  const items: PlaylistItem[] = [];
  for (const verb of root.children) {
    if (typeof verb === 'string') {
      if (verb.trim() !== '') throw new RcmlError('there is text beside the verbs of its <Response>');
      continue;
    }
    if (verb.name === 'Hangup') return { items, redirect: null };
    if (verb.name === 'Redirect') {
      return { items, redirect: { url: addressIn(verb, base), method: methodOf(verb) } };
    }
    const { item, loops, forEver } = said(verb, base);
    if (item !== undefined) items.push(...Array.from({ length: loops }, () => item));
    if (items.length > MAX_ITEMS) throw new RcmlError(`it has more than ${MAX_ITEMS} things to say`);
    if (forEver) break;
  }
  return { items, redirect: null };
}

interface Said {
  /** Undefined: there is nothing in it. */
  readonly item: PlaylistItem | undefined;
  readonly loops: number;
  /** What follows is never reached. */
  readonly forEver: boolean;
}

function said(verb: XmlElement, base: string): Said {
  switch (verb.name) {
    case 'Say':
      return { item: sayItem(verb), ...loopsOf(verb) };
    case 'Play':
      return { item: { url: addressIn(verb, base) }, ...loopsOf(verb) };
    case 'Pause':
      return { item: { pauseMs: pauseSeconds(verb) * 1000 }, loops: 1, forEver: false };
    default:
      // Its own name may be anything, and is shown only where it looks like a verb.
      throw new RcmlError(
        /^[A-Z][a-z]{1,19}$/.test(verb.name) ? `<${verb.name}> is not known here` : 'it has an unknown verb',
      );
  }
}

function sayItem(verb: XmlElement): PlaylistItem | undefined {
  const tts = textIn(verb).replaceAll(/\s+/g, ' ').trim();
  if (tts === '') return undefined;
  if (tts.length > MAX_TEXT_LENGTH) throw new RcmlError(`a <Say> has ${MAX_TEXT_LENGTH} characters at most`);
  return { tts, locale: localeOf(verb), gender: genderOf(verb) };
}

function localeOf({ attributes }: XmlElement): string | undefined {
  const language = attributes['language']?.trim().replaceAll('_', '-');
  if (language === undefined || language === '') return undefined;
  const locale = OLD_LANGUAGES[language.toLowerCase()] ?? language;
  if (!LANGUAGE.test(locale)) throw new RcmlError('the language of a <Say> is no language tag');
  return locale;
}

function genderOf({ attributes }: XmlElement): 'male' | 'female' | undefined {
  const voice = attributes['voice']?.trim().toLowerCase();
  if (voice === undefined || voice === '') return undefined;
  const gender = GENDERS.get(voice);
  if (gender === undefined) throw new RcmlError('the voice of a <Say> is neither man nor woman');
  return gender;
}

function loopsOf(verb: XmlElement): { readonly loops: number; readonly forEver: boolean } {
  const loop = wholeNumber(verb, 'loop', 1, MAX_LOOPS);
  return loop === 0 ? { loops: LOOPS_FOR_EVER, forEver: true } : { loops: loop, forEver: false };
}

function pauseSeconds(verb: XmlElement): number {
  return wholeNumber(verb, 'length', 1, MAX_PAUSE_SECONDS);
}

function wholeNumber({ name, attributes }: XmlElement, key: string, usual: number, most: number): number {
  const written = attributes[key]?.trim() ?? '';
  if (written === '') return usual;
  if (!/^[0-9]{1,4}$/.test(written) || Number(written) > most) {
    throw new RcmlError(`the ${key} of a <${name}> is no whole number from 0 to ${most}`);
  }
  return Number(written);
}

function methodOf({ attributes }: XmlElement): 'GET' | 'POST' {
  const method = (attributes['method'] ?? 'POST').trim().toUpperCase();
  if (method !== 'GET' && method !== 'POST') {
    throw new RcmlError('the method of a <Redirect> is neither GET nor POST');
  }
  return method;
}

function addressIn(verb: XmlElement, base: string): string {
  const address = textIn(verb).trim();
  const url = address !== '' && URL.canParse(address, base) ? new URL(address, base) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.href.length > MAX_URL_LENGTH) {
    throw new RcmlError(`a <${verb.name}> holds no http or https address`);
  }
  return url.href;
}

function textIn({ name, children }: XmlElement): string {
  const texts = children.filter((child) => typeof child === 'string');
  if (texts.length < children.length) throw new RcmlError(`a <${name}> holds text and nothing else`);
  return texts.join('');
}
