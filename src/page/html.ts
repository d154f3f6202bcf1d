/** A piece of HTML whose texts are escaped. Only `html` makes one. */
export class Html {
  readonly text: string;

  constructor(parts: TemplateStringsArray, values: readonly Value[]) {
    this.text = parts.reduce((all, part, i) => `${all}${render(values[i - 1])}${part}`);
  }
}

/** What may stand in a template: texts and numbers are escaped, lists are joined, and nothing is nothing. */
export type Value = Html | string | number | null | undefined | false | readonly Value[];

/** HTML with values in it. Attributes need their quotation marks in the template: `<a href="${link}">`. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts, values);
}

function render(value: Value): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'string') return escaped(value);
  if (typeof value === 'number') return String(value);
  return value.map(render).join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
