import { describe, expect, it } from 'vitest';
import { LOOPS_FOR_EVER, MAX_ITEMS, readRcml } from '../../../src/rcml/rcml.ts';
import { RcmlError } from '../../../src/rcml/rcml-error.ts';
import { cpuMs } from '../../support/cpu-time.ts';

const BASE = 'https://app.example/voice/start.xml?x=1';

function items(verbs: string) {
  return readRcml(`<?xml version="1.0" encoding="UTF-8"?>\n<Response>${verbs}</Response>\n`, BASE).items;
}

function complaint(document: string): string {
  try {
    readRcml(document, BASE);
  } catch (error) {
    expect(error).toBeInstanceOf(RcmlError);
    return (error as Error).message;
  }
  throw new Error(`read: ${document.slice(0, 80)}`);
}

describe('the verbs', () => {
  it.each([
    ['<Say>Your code is 1 2 3 4 5 6</Say>', [{ tts: 'Your code is 1 2 3 4 5 6' }]],
    ['<Say language="en-GB" voice="woman">Hi</Say>', [{ tts: 'Hi', locale: 'en-GB', gender: 'female' }]],
    ['<Say voice=\'man\' language="bf">Salut</Say>', [{ tts: 'Salut', locale: 'fr-BE', gender: 'male' }]],
    ['<Say language="pt_BR">Oi</Say>', [{ tts: 'Oi', locale: 'pt-BR' }]],
    ['<Say>\n  two\n  lines \t</Say>', [{ tts: 'two lines' }]],
    ['<Say>R &amp; D &lt;1&gt; &quot;a&apos; &#233;&#xE9;</Say>', [{ tts: 'R & D <1> "a\' éé' }]],
    ['<Say>a <![CDATA[<b> & ]]>c<!-- &x; -->d</Say>', [{ tts: 'a <b> & cd' }]],
    ['<Say loop="3">Hi</Say>', [{ tts: 'Hi' }, { tts: 'Hi' }, { tts: 'Hi' }]],
    ['<Say></Say><Say> </Say><Say/>', []],
    ['<Play>http://cdn.example/a.wav</Play>', [{ url: 'http://cdn.example/a.wav' }]],
    ['<Play> b.wav\n</Play>', [{ url: 'https://app.example/voice/b.wav' }]],
    [
      '<Play loop="2">/c.wav</Play>',
      [{ url: 'https://app.example/c.wav' }, { url: 'https://app.example/c.wav' }],
    ],
    ['<Play>//cdn.example/d.wav?a=1&amp;b=2</Play>', [{ url: 'https://cdn.example/d.wav?a=1&b=2' }]],
    ['<Pause/>', [{ pauseMs: 1000 }]],
    ['<Pause length="0"/><Pause length=" 12 "></Pause>', [{ pauseMs: 0 }, { pauseMs: 12_000 }]],
    ['<Say>a</Say><Pause/><Say>b</Say>', [{ tts: 'a' }, { pauseMs: 1000 }, { tts: 'b' }]],
    ['<Say>a</Say><Hangup/><Say>b</Say><Gather/>', [{ tts: 'a' }]],
    ['<Hangup/>', []],
    ['', []],
    ['<Say other="1" xmlns:x="y">a</Say>', [{ tts: 'a' }]],
  ])('%s', (verbs, expected) => {
    expect(items(verbs)).toEqual(expected);
  });

  it('that loop for ever are bounded, and nothing follows them', () => {
    expect(items('<Say>a</Say><Say loop="0">b</Say><Say>c</Say>')).toEqual([
      { tts: 'a' },
      ...Array.from({ length: LOOPS_FOR_EVER }, () => ({ tts: 'b' })),
    ]);
  });

  it('redirect to where the document goes on', () => {
    for (const [verb, redirect] of [
      ['<Redirect>next.xml</Redirect>', { url: 'https://app.example/voice/next.xml', method: 'POST' }],
      ['<Redirect method="get">http://b.example/</Redirect>', { url: 'http://b.example/', method: 'GET' }],
    ] as const) {
      expect(readRcml(`<Response><Say>a</Say>${verb}<Dial/></Response>`, BASE)).toEqual({
        items: [{ tts: 'a' }],
        redirect,
      });
    }
  });
});

describe('what is refused', () => {
  it.each([
    ['<Response><Gather><Say>a</Say></Gather></Response>', '<Gather> is not known here'],
    ['<Response><say>a</say></Response>', 'it has an unknown verb'],
    ['<Response><x4711>a</x4711></Response>', 'it has an unknown verb'],
    ['<response/>', 'it is no <Response>'],
    ['<a:Response xmlns:a="x"/>', 'it is no <Response>'],
    ['<html><body>Not here</body></html>', 'it is no <Response>'],
    ['<Response>Your code is 4711</Response>', 'there is text beside the verbs of its <Response>'],
    ['<Response><Say>a <b>c</b></Say></Response>', 'a <Say> holds text and nothing else'],
    [`<Response><Say>${'a'.repeat(1001)}</Say></Response>`, 'a <Say> has 1000 characters at most'],
    ['<Response><Say voice="robot">a</Say></Response>', 'the voice of a <Say> is neither man nor woman'],
    ['<Response><Say language="4711">a</Say></Response>', 'the language of a <Say> is no language tag'],
    ['<Response><Say loop="-1">a</Say></Response>', 'the loop of a <Say> is no whole number from 0 to 50'],
    ['<Response><Say loop="999">a</Say></Response>', 'the loop of a <Say> is no whole number from 0 to 50'],
    [
      '<Response><Pause length="1.5"/></Response>',
      'the length of a <Pause> is no whole number from 0 to 120',
    ],
    ['<Response><Play/></Response>', 'a <Play> holds no http or https address'],
    ['<Response><Play>file:///etc/passwd</Play></Response>', 'a <Play> holds no http or https address'],
    [`<Response><Play>${'a'.repeat(2100)}</Play></Response>`, 'a <Play> holds no http or https address'],
    [
      '<Response><Redirect method="PUT">a</Redirect></Response>',
      'the method of a <Redirect> is neither GET nor POST',
    ],
    [
      `<Response>${'<Say loop="50">a</Say>'.repeat(3)}</Response>`,
      `it has more than ${MAX_ITEMS} things to say`,
    ],
  ])('%s', (document, message) => {
    expect(complaint(document)).toBe(message);
  });

  it.each([
    '',
    ' ',
    'Your code is 4711',
    '{"Response":{}}',
    '<Response>',
    '<Response><Say>a</Response></Say>',
    '<Response/><Response/>',
    'x<Response/>',
    '<Response/>x',
    '<Response><Say a=b>c</Say></Response>',
    '<Response><Say loop="1" loop="2">c</Say></Response>',
    '<Response><Say>a < b</Say></Response>',
    '<Response><Say>a & b</Say></Response>',
    '<Response><__proto__>a</__proto__></Response>',
    '<Response><Say __proto__="a">b</Say></Response>',
    '<Response><#text>a</#text></Response>',
    '<Response><Say>a</Say',
    '<Response><![CDATA[<Say>a</Say>',
    '<!-- <Response/>',
  ])('as no XML: %s', (document) => {
    expect(complaint(document)).toBe('it is not well-formed XML');
  });

  it.each([
    '<!DOCTYPE Response><Response/>',
    '<!doctype html><html/>',
    '<!DOCTYPE x [<!ENTITY a "4711">]><Response><Say>&a;</Say></Response>',
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Response><Say>&a;</Say></Response>',
    `<!DOCTYPE x [<!ENTITY a0 "ha">${Array.from({ length: 30 }, (_, i) => `<!ENTITY a${i + 1} "&a${i};&a${i};">`).join('')}]><Response><Say>&a30;</Say></Response>`,
    '<Response><!ENTITY a "b"></Response>',
  ])('as a document type declaration: %s', (document) => {
    expect(complaint(document)).toBe('it has a document type declaration');
  });

  it.each([
    ...['&lol;', '&#0;', '&#xD800;', '&#x110000;', '&#99999999;', '&nbsp;'],
    ...['&constructor;', '&toString;', '&valueOf;', '&__proto__;'],
  ])('as an entity that is not predefined: %s', (text) => {
    expect(complaint(`<Response><Say>${text}</Say></Response>`)).toBe(
      'it refers to an entity that XML does not predefine',
    );
    expect(complaint(`<Response><Say x="${text}">a</Say></Response>`)).toMatch(/entity|well-formed/);
    expect(complaint(`<Response><Say voice="${text}">a</Say></Response>`)).toMatch(/entity|well-formed/);
  });

  it('for its size and depth, in little time', () => {
    const documents = [
      [`<Response><Say>${'a'.repeat(1_000_000)}</Say></Response>`, /longer than/],
      [`<Response>${'<a>'.repeat(9000)}${'</a>'.repeat(9000)}</Response>`, /8 levels deep/],
      ['<Response>'.padEnd(60_000, '<a>'), /8 levels deep/],
      ['<Response '.padEnd(60_000, 'a="b" '), /well-formed/],
      [`<Response><Say>${'<'.repeat(60_000)}`, /./],
      [`<Response><Say>${'&'.repeat(60_000)}</Say></Response>`, /well-formed/],
      [`<Response><Say>${'&a;'.repeat(20_000)}</Say></Response>`, /entity/],
      [`<Response>${'<!--'.repeat(15_000)}</Response>`, /well-formed/],
      [`<Response>${'<![CDATA['.repeat(6_000)}</Response>`, /well-formed/],
      [`<Response>${'<?a '.repeat(15_000)}</Response>`, /./],
      [`<Response${' '.repeat(60_000)}`, /./],
      ['<Response/>'.padEnd(60_000, '<'), /./],
      [`<Response>${'<Say x="'.repeat(7_000)}`, /./],
    ] as const;
    const ms = cpuMs(() => {
      for (const [document, message] of documents) expect(complaint(document)).toMatch(message);
    });
    // A dozen documents, each of them as long as one may be; quadratic work would take minutes.
    expect(ms).toBeLessThan(10_000);
  });
});
