/** The API as any client uses it: over HTTP, knowing nothing of the process that answers. */

export interface Reply<Body> {
  readonly status: number;
  readonly body: Body;
}

/** @param key API key; undefined where the service runs without keys */
export async function request<Body>(
  url: string,
  method = 'GET',
  body?: unknown,
  key?: string,
): Promise<Reply<Body>> {
  const response = await fetch(url, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...bearer(key) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Body };
}

/** One server-sent event: its id and name, and its data as JSON. */
export interface ServerSentEvent {
  /** Empty where it has none. */
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/**
 * Reads an event stream until the server ends it (WHATWG HTML §9.2).
 *
 * @param after the id of the last event that is known already
 */
export async function* eventsOf(
  url: string,
  key?: string,
  after?: string,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const last = after === undefined ? {} : { 'last-event-id': after };
  const response = await fetch(url, { headers: { accept: 'text/event-stream', ...last, ...bearer(key) } });
  // There is no more.
  if (response.status === 204) return;
  if (response.status !== 200 || response.body === null)
    throw new Error(`${url} answered ${response.status}`);
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = parseBlock(block);
      if (event !== undefined) yield event;
    }
  }
}

/** A request whose answer is read as it comes. */
export function streamed(
  url: string,
  {
    accept,
    key,
    signal,
  }: { readonly accept: string; readonly key: string | undefined; readonly signal: AbortSignal },
): Promise<Response> {
  return fetch(url, { headers: { accept, ...bearer(key) }, signal });
}

function bearer(key: string | undefined): Record<string, string> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

function parseBlock(block: string): ServerSentEvent | undefined {
  const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line));
  const data = fields.filter((field) => field?.[1] === 'data').map((field) => field?.[2]);
  if (data.length === 0) return undefined;
  const event = fields.find((field) => field?.[1] === 'event')?.[2] ?? 'message';
  const id = fields.find((field) => field?.[1] === 'id')?.[2] ?? '';
  return { id, event, data: JSON.parse(data.join('\n')) as unknown };
}
