/** Follows links and sends forms as a browser does in which no script runs: cookies, redirects, hidden fields. */
export class PlainBrowser {
  readonly #origin: string;
  readonly #cookies = new Map<string, string>();
  readonly #headers: Readonly<Record<string, string>>;

  /** @param headers of every request, such as Authorization */
  constructor(origin: string, headers: Readonly<Record<string, string>> = {}) {
    this.#origin = origin;
    this.#headers = headers;
  }

  get cookies(): ReadonlyMap<string, string> {
    return this.#cookies;
  }

  open(path: string): Promise<Page> {
    return this.#ask(path, {});
  }

  /** Sends the form whose address is `action`, with its hidden fields. */
  submit(page: Page, action: string, fields: Readonly<Record<string, string>> = {}): Promise<Page> {
    const form = page.text
      .split('<form ')
      .slice(1)
      .map((text) => text.split('</form>')[0] ?? '')
      .find((text) => text.includes(`action="${action}"`));
    if (form === undefined) throw new Error(`there is no form for ${action} in:\n${page.text}`);
    const hidden = [...form.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)];
    const values = Object.fromEntries(hidden.map(([, name = '', value = '']) => [name, value]));
    return this.post(action, { ...values, ...fields });
  }

  /** Sends a form that no page has. */
  post(
    path: string,
    fields: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Page> {
    return this.#ask(path, { method: 'POST', body: new URLSearchParams(fields), headers });
  }

  async #ask(
    path: string,
    init: RequestInit & { headers?: Readonly<Record<string, string>> },
  ): Promise<Page> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(`${this.#origin}${path}`, {
      ...init,
      redirect: 'manual',
      headers: { ...this.#headers, ...(cookie === '' ? {} : { cookie }), ...init.headers },
    });
    for (const one of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(one) ?? [];
      this.#cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    if (answer.status === 303 && location !== null) return this.open(location);
    return { path, status: answer.status, headers: answer.headers, text: await answer.text() };
  }
}

/** What a browser shows. */
export interface Page {
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}
