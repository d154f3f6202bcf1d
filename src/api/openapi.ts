import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { Api } from './server.ts';

/**
 * What the page at `/docs` may load: its own files, inline styles (Swagger UI writes them) and inline pictures.
 * Nothing from anywhere else.
 */
const DOCS_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Collects the document from the routes that are registered after it. */
export async function describeApi(api: Api, version: string): Promise<void> {
  await api.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'voice-otp',
        version,
        description:
          'Proves a phone number by calling it and saying a one-time code, or calls it and says what it is given.',
        license: { name: 'MIT' },
      },
      tags: [
        { name: 'verifications', description: 'Proving a number' },
        { name: 'calls', description: 'Calls that say something, and those that verifications place' },
        { name: 'prompts', description: 'What calls say' },
        { name: 'trunks', description: 'The ways by which calls go' },
        { name: 'cdrs', description: 'Call detail records, for operators' },
        { name: 'webhooks', description: 'What clients were told, and what they did not take' },
        { name: 'datatechlabs', description: 'For programs that were written for DataTechLabs' },
        { name: 'restcomm calls', description: 'For programs that were written for the calls of Restcomm' },
        { name: 'service', description: 'For operators' },
      ],
      components: {
        securitySchemes: {
          apiKey: {
            type: 'http',
            scheme: 'bearer',
            description: 'Needed where the configuration has API keys.',
          },
        },
      },
      security: [{ apiKey: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withoutUnused(jsonSchemaTransformObject(document)),
  });
}

/** `/openapi.json`, and a page that shows it at `/docs`. Both are open: they hold nothing of this installation. */
export async function documentationRoutes(api: Api): Promise<void> {
  api.route({
    method: 'GET',
    url: '/openapi.json',
    schema: { hide: true },
    handler: async () => api.swagger(),
  });
  await api.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_CSP,
    // Without the vendor's bar on top. The key that a visitor types is not kept.
    uiConfig: { layout: 'BaseLayout', deepLinking: true, persistAuthorization: false },
    theme: { title: 'voice-otp API' },
  });
}

/**
 * The converter lists each schema as it is sent and as it is received, `NameInput` and `Name`. This keeps the
 * one that is used, under its plain name where the other is not.
 */
function withoutUnused(document: object): object {
  const { components, ...rest } = document as { components: { schemas: Record<string, unknown> } };
  const used = new Set(referredTo(rest, components.schemas));
  const plain = (name: string): string => {
    const short = name.replace(/Input$/, '');
    return used.has(short) ? name : short;
  };
  const schemas = Object.fromEntries(
    Object.entries(components.schemas)
      .filter(([name]) => used.has(name))
      .map(([name, schema]) => [plain(name), schema]),
  );
  return JSON.parse(
    JSON.stringify({ ...rest, components: { ...components, schemas } }),
    (key, value: unknown) =>
      key === '$ref' && typeof value === 'string' ? value.replace(/\w+$/, plain) : value,
  ) as object;
}

/** Names of the schemas that `part` refers to, and of those that these refer to. */
function referredTo(part: unknown, schemas: Readonly<Record<string, unknown>>): string[] {
  const names = [...JSON.stringify(part).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
  return names.flatMap(([, name = '']) => [name, ...referredTo(schemas[name] ?? null, schemas)]);
}
