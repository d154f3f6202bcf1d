/** The package has no types of its own; what `parse` gives is checked by sdp-reader.ts. */
declare module 'sdp-transform' {
  export function parse(sdp: string): unknown;
  export function write(session: object): string;
}
