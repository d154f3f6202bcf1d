import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_TABLE } from '../../../src/errors.ts';
import type { Service } from './service.ts';
import { startService } from './service.ts';

interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: unknown }> };
  readonly responses: Record<
    string,
    { readonly content?: Record<string, { readonly schema: { readonly $ref?: string } }> }
  >;
}

interface Schema {
  readonly properties?: Record<string, object>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
}

interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Schema> };
}

/** Of errors, on the paths of APIs that are not our own. */
const ERROR_SHAPES: readonly (readonly [RegExp, string])[] = [
  [/ \/(voice|status)\//, 'DataTechLabsError'],
  [/ \/restcomm\/2012-04-24\//, 'RestcommException'],
  [/ \/2fa\//, 'Restcomm2faError'],
  [/ \/verify(\/|$)/, 'MessageBirdErrors'],
];

let service: Service;
let text: string;
let document: Document;
beforeAll(async () => {
  service = await startService();
  text = (await service.api.inject('/openapi.json')).body;
  document = JSON.parse(text) as Document;
});
afterAll(() => service.close());

function operations(): [string, Operation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
}

describe('/openapi.json', () => {
  it('lists every route, and each of them exists', async () => {
    const listed = operations().map(([name]) => name);
    expect(listed.toSorted()).toEqual(
      [
        'POST /v1/verifications',
        'GET /v1/verifications/{id}',
        'POST /v1/verifications/{id}/check',
        'DELETE /v1/verifications/{id}',
        'POST /v1/calls',
        'GET /v1/calls',
        'GET /v1/calls/{id}',
        'DELETE /v1/calls/{id}',
        'GET /v1/calls/{id}/events',
        'GET /v1/calls/{id}/sip',
        'GET /v1/trunks',
        'GET /v1/routes',
        'GET /v1/cdrs',
        'GET /v1/webhooks/dead',
        'POST /v1/webhooks/{id}/redeliver',
        'POST /v1/webhooks/test',
        'GET /v1/cdrs/verify',
        'POST /v1/prompts/preview',
        'POST /voice/call/play',
        'GET /voice/call/status/{request_id}',
        'GET /status/carrier/{id}',
        'POST /2fa/send',
        'POST /2fa/verify',
        'POST /verify',
        'GET /verify/{id}',
        'DELETE /verify/{id}',
        ...['/Calls', '/Calls.json', '/Calls/{callSid}', '/Calls.json/{callSid}'].flatMap((path) =>
          ['GET', 'POST'].map((method) => `${method} /restcomm/2012-04-24/Accounts/{accountSid}${path}`),
        ),
        'GET /healthz',
        'GET /readyz',
        'GET /metrics',
      ].toSorted(),
    );
    for (const name of listed) {
      const [method = '', path = ''] = name.split(' ');
      expect(service.api.hasRoute({ method, url: path.replaceAll(/{(\w+)}/g, ':$1') })).toBe(true);
    }
  });

  it('has a summary, a tag and the path parameters for every operation', () => {
    for (const [name, { summary, tags, parameters }] of operations()) {
      expect([name, summary, tags]).toEqual([name, expect.any(String), [expect.any(String)]]);
      expect((parameters ?? []).some((parameter) => parameter.in === 'path')).toBe(name.includes('{'));
    }
  });

  it('says what every answer and every parameter is', () => {
    expect(text).not.toContain('Default Response');
    expect(document.components.schemas['NewVerification']?.properties?.['to']).toHaveProperty('description');
  });

  it('gives every error answer the shape of its API, with statuses that errors have', () => {
    const known = new Set(Object.values(ERROR_TABLE).map(({ status }) => String(status)));
    for (const [name, { responses }] of operations()) {
      const errors = Object.entries(responses).filter(([status]) => Number(status) >= 400);
      expect(errors.map(([status]) => status)).toContain('429');
      for (const [status, { content }] of errors) {
        expect(known).toContain(status);
        expect([name, status, content?.['application/json']?.schema]).toEqual([
          name,
          status,
          {
            $ref: `#/components/schemas/${ERROR_SHAPES.find(([paths]) => paths.test(name))?.[1] ?? 'Error'}`,
          },
        ]);
      }
    }
  });

  it('lists every error code, and has every status that the table has but those of unknown paths', () => {
    const shape = JSON.stringify(document.components.schemas['Error']);
    for (const code of Object.keys(ERROR_TABLE)) {
      expect(shape).toContain(`"${code}"`);
    }
    const used = new Set(operations().flatMap(([, { responses }]) => Object.keys(responses)));
    const told = Object.values(ERROR_TABLE).map(({ status }) => String(status));
    expect(told.filter((status) => !used.has(status))).toEqual(['405']);
  });

  it('has every schema that it refers to, and no other', () => {
    const refs = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
      ([, name]) => name ?? '',
    );
    expect([...new Set(refs)].toSorted()).toEqual(Object.keys(document.components.schemas).toSorted());
    expect(refs.length).toBeGreaterThan(20);
  });

  it('describes requests as they are sent, and no answer has a code', () => {
    const body = document.paths['/v1/verifications']?.['post']?.requestBody?.content['application/json'];
    expect(body).toEqual({ schema: { $ref: '#/components/schemas/NewVerification' } });
    expect(document.components.schemas['NewVerification']?.properties?.['code']).toMatchObject({
      type: 'string',
      pattern: '^[0-9A-Za-z]{4,10}$',
    });
    const call = document.paths['/v1/calls']?.['post']?.requestBody?.content['application/json'];
    expect(call).toEqual({ schema: { $ref: '#/components/schemas/NewCall' } });
    for (const answer of ['Verification', 'CheckResult', 'Call', 'CallSummary', 'Attempt', 'TimelineEntry']) {
      expect(Object.keys(document.components.schemas[answer]?.properties ?? {})).not.toHaveLength(0);
      expect(document.components.schemas[answer]?.properties).not.toHaveProperty('code');
      expect(document.components.schemas[answer]?.properties).not.toHaveProperty('playlist');
    }
  });

  it('describes every kind of item, each with the one key that it must have', () => {
    const { anyOf = [] } = document.components.schemas['PlaylistItem'] ?? {};
    expect(anyOf.map(({ required }) => required)).toEqual([
      ['tts'],
      ['file'],
      ['url'],
      ['digits'],
      ['pauseMs'],
    ]);
    expect(document.components.schemas['DataTechLabsItem']).toMatchObject({ required: ['play'] });
  });

  it('says that a preview is a sound', () => {
    const { responses } = document.paths['/v1/prompts/preview']?.['post'] ?? { responses: {} };
    expect(responses['200']?.content).toEqual({
      'audio/wav': { schema: { type: 'string', format: 'binary' } },
    });
  });
});

describe('/docs', () => {
  it('is a page that loads its own files only', async () => {
    const page = await service.api.inject('/docs/');
    expect(page.statusCode).toBe(200);
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
    const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => String(file));
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) {
      expect(file).toMatch(/^\.\/static\//);
      const reply = await service.api.inject(`/docs/${file.slice(2)}`);
      expect([file, reply.statusCode]).toEqual([file, 200]);
    }
    // No script of the page's own text, which its policy would stop.
    expect(page.body).not.toMatch(/<script(?![^>]*src=)/);
    const start = (await service.api.inject('/docs/static/swagger-initializer.js')).body;
    expect(start).toContain('validatorUrl: null');
    expect(start).toContain('"layout":"BaseLayout"');
  });

  it('shows the same document', async () => {
    expect((await service.api.inject('/docs/json')).json()).toEqual(document);
  });

  it('is found without the slash', async () => {
    expect((await service.api.inject('/docs')).statusCode).toBe(200);
  });
});
