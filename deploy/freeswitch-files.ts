import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DOMParser, type Element, onWarningStopParsing } from '@xmldom/xmldom';

/** An XML file of FreeSWITCH or drachtio, or why it is none. */
export function readXml(file: string): Element {
  const parser = new DOMParser({ onError: onWarningStopParsing });
  const root = parser.parseFromString(readFileSync(file, 'utf8'), 'text/xml').documentElement;
  if (root === null) throw new Error('there is no element');
  return root;
}

/** All XML files of a folder, its folders' too. */
export function xmlFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.xml'))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

/** What vars.xml sets, by name: the value, or the command that makes it. */
export function freeswitchVariables(folder: string): Map<string, string> {
  return new Map(
    elements(readXml(join(folder, 'vars.xml')), 'X-PRE-PROCESS').map((element) => {
      const data = element.getAttribute('data') ?? '';
      const at = data.indexOf('=');
      return [data.slice(0, at), data.slice(at + 1)];
    }),
  );
}

/** The `name` and `value` of each `param` of a configuration file. */
export function parametersOf(root: Element): Map<string, string> {
  return new Map(
    elements(root, 'param').map((element) => [
      element.getAttribute('name') ?? '',
      element.getAttribute('value') ?? '',
    ]),
  );
}

export function elements(root: Element, tag: string): Element[] {
  return Array.from(root.getElementsByTagName(tag));
}

/** What FreeSWITCH would read otherwise than it looks in a folder of its configuration, a line each. */
export function freeswitchProblems(folder: string): string[] {
  const problems: string[] = [];
  const set = freeswitchVariables(folder);
  for (const file of xmlFiles(folder)) {
    const text = readFileSync(file, 'utf8');
    const complain = (message: string): void => {
      problems.push(`${relative(folder, file)}: ${message}`);
    };
    for (const [, name = ''] of text.matchAll(/\$\$\{([^}]*)\}/g)) {
      if (!set.has(name)) complain(`vars.xml does not set ${name}, which would be empty`);
    }
    // FreeSWITCH works on lines before it looks for comments.
    for (const [comment] of text.matchAll(/<!--[\s\S]*?-->/g)) {
      if (/X-PRE-PROCESS|\$\$\{|<!--#/.test(comment)) complain('a comment that FreeSWITCH would carry out');
    }
    for (const line of text.split('\n')) {
      if (line.includes('<X-PRE-PROCESS') && !/^\s*<X-PRE-PROCESS [^>]*\/>\s*$/.test(line)) {
        complain('expected X-PRE-PROCESS alone on its line');
      }
    }
  }
  return problems;
}
