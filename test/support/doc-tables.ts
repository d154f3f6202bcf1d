import { readFileSync } from 'node:fs';

/** The tables of a page in docs/. */
export class DocTables {
  readonly #sections: ReadonlyMap<string, string>;

  /** @param page such as `errors.md` */
  constructor(page: string) {
    this.#sections = new Map(
      readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
        .split(/^## /m)
        .map((section) => [section.slice(0, section.indexOf('\n')), section]),
    );
  }

  /** The rows of a section whose first column is code, the backticks taken off. */
  rowsOf(heading: string): string[][] {
    return (this.#sections.get(heading) ?? '')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) =>
        line
          .split('|')
          .map((cell) => cell.trim().replaceAll('`', ''))
          .slice(1, -1),
      );
  }
}
