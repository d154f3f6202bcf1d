import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { RcmlError } from './rcml-error.ts';

/** An element of a document; what is in it keeps its order. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (XmlElement | string)[];
}

/** Characters; a document that makes a phone speak has a few hundred. */
const MAX_LENGTH = 65_536;
/** Ours have two levels. */
const MAX_DEPTH = 8;
const [TEXT, CDATA, ATTRIBUTES] = ['#text', '#cdata', ':@'] as const;
/** XML 1.0 §4.6: those that need no declaration. */
const PREDEFINED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);
const LAST_CODE_POINT = 0x10ffff;

/** What the parser gives with `preserveOrder`: one key is the name or a kind of text, the other one holds attributes. */
type ParsedNode = Readonly<Record<string, unknown>>;

/**
 * Reads a document into its elements. References are read here and not by the parser, so that nothing that a document
 * declares can ever grow: a document type declaration is refused, whatever is in it.
 *
 * @throws RcmlError
 */
export function readXml(text: string): XmlElement {
  if (text.length > MAX_LENGTH) throw new RcmlError(`it is longer than ${MAX_LENGTH} characters`);
  // Also in a comment, where it would be harmless: nobody needs it there.
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) throw new RcmlError('it has a document type declaration');
  const roots = parsed(text);
  if (XMLValidator.validate(text) !== true || !/>\s*$/.test(text)) throw malformed();
  const elements = roots.map(nodeOf).filter((node) => typeof node !== 'string' || node.trim() !== '');
  const [root, more] = elements;
  if (root === undefined || typeof root === 'string' || more !== undefined) throw malformed();
  return root;
}

function malformed(): RcmlError {
  return new RcmlError('it is not well-formed XML');
}

/** The parser's errors quote the document and go no further. */
function parsed(text: string): readonly ParsedNode[] {
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: '',
    textNodeName: TEXT,
    cdataPropName: CDATA,
    parseTagValue: false,
    parseAttributeValue: false,
    trimValues: false,
    processEntities: false,
    ignoreDeclaration: true,
    ignorePiTags: true,
    maxNestedTags: MAX_DEPTH,
  });
  try {
    return parser.parse(text) as readonly ParsedNode[];
  } catch (error) {
    // The only one of its errors that tells an author more than that the document is broken.
    const deep = error instanceof Error && error.message.startsWith('Maximum nested tags');
    throw deep ? new RcmlError(`its elements are more than ${MAX_DEPTH} levels deep`) : malformed();
  }
}

function nodeOf(node: ParsedNode): XmlElement | string {
  const name = Object.keys(node).find((key) => key !== ATTRIBUTES);
  if (name === undefined) throw malformed();
  const content = node[name];
  if (name === TEXT) return unescaped(String(content));
  const children = content as readonly ParsedNode[];
  if (name === CDATA) return children.map((part) => String(part[TEXT])).join('');
  const attributes = (node[ATTRIBUTES] ?? {}) as Readonly<Record<string, string>>;
  return {
    name,
    attributes: Object.fromEntries(
      Object.entries(attributes).map(([key, value]) => [key, unescaped(value)] as const),
    ),
    children: children.map(nodeOf),
  };
}

/** @throws RcmlError for a reference to anything that is not predefined, and for a bare `&` */
function unescaped(text: string): string {
  return text.replaceAll(/&(?:([^;&\s]{1,10});)?/g, (_whole, name: string | undefined) => {
    const known = name === undefined ? undefined : (PREDEFINED.get(name) ?? characterOf(name));
    if (known === undefined) throw new RcmlError('it refers to an entity that XML does not predefine');
    return known;
  });
}

/** Of a character reference such as `#233` or `#xE9` (XML 1.0 §4.1). */
function characterOf(name: string): string | undefined {
  const [, hex, decimal] = /^#(?:x([0-9a-f]{1,6})|([0-9]{1,7}))$/i.exec(name) ?? [];
  if (hex === undefined && decimal === undefined) return undefined;
  const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
  const isCharacter =
    [0x09, 0x0a, 0x0d].includes(point) ||
    (point >= 0x20 && point <= LAST_CODE_POINT && (point < 0xd800 || point > 0xdfff));
  return isCharacter ? String.fromCodePoint(point) : undefined;
}
