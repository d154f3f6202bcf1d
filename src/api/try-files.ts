import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { AppError } from '../errors.ts';
import type { Surface } from '../page/sheet.ts';
import type { Api } from './server.ts';

const FOLDER = new URL('../../page/', import.meta.url);
const TYPES = { css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' } as const;
const HASH_CHARS = 12;

interface PageFile {
  /** With its hash, so that it may be kept for ever. */
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

/** What the pages load, read once. */
export interface PageFiles {
  readonly addresses: Surface['files'];
  readonly byName: ReadonlyMap<string, PageFile>;
}

export async function readPageFiles(): Promise<PageFiles> {
  const [style, script, icon] = await Promise.all([
    fileOf('try', 'css'),
    fileOf('try', 'js'),
    fileOf('icon', 'svg'),
  ]);
  const address = ({ name }: PageFile): string => `/try/files/${name}`;
  return {
    addresses: { style: address(style), script: address(script), icon: address(icon) },
    byName: new Map([style, script, icon].map((file) => [file.name, file])),
  };
}

async function fileOf(name: string, extension: keyof typeof TYPES): Promise<PageFile> {
  const text = await readFile(new URL(`${name}.${extension}`, FOLDER), 'utf8');
  const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_CHARS);
  return { name: `${name}-${hash}.${extension}`, type: `${TYPES[extension]}; charset=utf-8`, text };
}

/** The style sheet, the script and the icon: the same for everybody, so that caches may keep them. */
export function fileRoutes(api: Api, { byName }: PageFiles): void {
  api.route<{ Params: { name: string } }>({
    method: 'GET',
    url: '/try/files/:name',
    schema: { hide: true },
    handler: async (request, reply) => {
      const file = byName.get(request.params.name);
      if (file === undefined) throw new AppError('not_found');
      return reply
        .header('cache-control', 'public, max-age=31536000, immutable')
        .type(file.type)
        .send(file.text);
    },
  });
}
