import type { Client, Scope } from './client.ts';

/** Whether the keys of a client open what needs `scope`. Those of an operator open everything. */
export function hasScope({ scopes }: Client, scope: Scope): boolean {
  return scopes.includes(scope) || scopes.includes('operator');
}

/** Whether a client may ask for a calling number: one that is on its list, written as there. The trunk has to allow it too. */
export function mayShowCli({ clis }: Client, cli: string): boolean {
  return clis === null || clis.includes(cli);
}

/** Whether a client may have a text said or sent: one of its list, word for word, with `{code}` where the code goes. */
export function mayUseTemplate({ templates }: Client, text: string): boolean {
  return templates === null || templates.includes(text);
}
