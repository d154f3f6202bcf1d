/** A request as a receiver gets it. */
export interface NoticeRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: none. */
  readonly body?: string;
}

/** The address with more of a query than it had. */
export function withQuery(url: string, fields: Readonly<Record<string, string>>): string {
  const [rest = '', fragment] = url.split('#', 2);
  const query = new URLSearchParams(fields).toString();
  const join = rest.includes('?') ? '&' : '?';
  return `${rest}${join}${query}${fragment === undefined ? '' : `#${fragment}`}`;
}
