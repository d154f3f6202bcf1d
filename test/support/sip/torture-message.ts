/** How the messages of RFC 4475 are written down here: one template per message, its line ends become CRLF. */

export type TortureTable = Readonly<Record<string, Buffer>>;

/** Backslashes stay as they are; the line end after the opening backtick is dropped. */
export function message(strings: TemplateStringsArray, ...values: readonly string[]): Buffer {
  return Buffer.from(
    String.raw(strings, ...values)
      .replace(/^\n/, '')
      .replaceAll('\n', '\r\n'),
  );
}

/** The description that most of the messages carry, with its line ends still LF. */
export function sdp(address: string, times = '0 0'): string {
  return `v=0
o=mhandley 29739 7272939 IN IP4 ${address}
s=-
c=IN IP4 ${address}
t=${times}
m=audio 49217 RTP/AVP 0 12
m=video 3227 RTP/AVP 31
a=rtpmap:31 LPC
`;
}
