/** An element and what is in it; null: nothing. */
export interface XmlNode {
  readonly name: string;
  readonly attributes?: Readonly<Record<string, string | number>>;
  readonly content?: string | number | null | readonly XmlNode[];
}

/** The document that holds these elements, as every answer of Restcomm in XML is. */
export function restcommXml(...nodes: readonly XmlNode[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${written({ name: 'RestcommResponse', content: nodes })}`;
}

function written({ name, attributes = {}, content = null }: XmlNode): string {
  const inTag = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  const inside =
    typeof content === 'object' ? (content ?? []).map(written).join('') : escaped(String(content));
  const tag = `${name}${inTag.join('')}`;
  return inside === '' ? `<${tag}/>` : `<${tag}>${inside}</${name}>`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Characters that XML has no place for (XML 1.0 §2.2) become question marks. */
function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '?')
    .replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
}
