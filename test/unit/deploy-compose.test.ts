import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ComposeFileError, parseComposeFile } from '../../deploy/compose-file.ts';
import { danglingReferences } from '../../deploy/compose-references.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TEXT = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');

describe('docker-compose.yml', () => {
  test('names nothing that is not there', () => {
    expect(danglingReferences(parseComposeFile(TEXT), ROOT)).toEqual([]);
  });

  test.each([
    ['a file that is not there', './deploy/freeswitch:', './deploy/freeswich:'],
    ['a volume that is not there', '- prompts:/prompts\n', '- promts:/prompts\n'],
    ['a dependency that is not there', 'depends_on: [app]', 'depends_on: [ap]'],
    ['an address of another network', '172.28.5.40 }', '172.28.6.40 }'],
    ['an address twice', '172.28.5.40 }', '172.28.5.10 }'],
    ['an image without a version', 'drachtio-server:0.9.11', 'drachtio-server:latest'],
    ['an image without a tag', 'drachtio-server:0.9.11', 'drachtio-server'],
    ['a circle of dependencies', 'depends_on: [app]', 'depends_on: [lab]'],
  ])('%s is found', (_, from, to) => {
    expect(TEXT).toContain(from);
    expect(danglingReferences(parseComposeFile(TEXT.replace(from, to)), ROOT)).not.toEqual([]);
  });

  test.each([
    ['a misspelt key', 'stop_grace_period: 40s', 'stop_grace: 40s'],
    ['a single dollar', '$$(cat /secrets/drachtio)', '$(cat /secrets/drachtio)'],
    ['a variable without a default', '${API_PORT:-8080}', '${API_PORT}'],
    ['an unknown condition', 'service_healthy', 'service_happy'],
    ['a container with capabilities', 'cap_drop: [ALL]', 'cap_drop: []'],
    ['a file that is no YAML', 'services:', 'services: ]'],
  ])('%s is refused', (_, from, to) => {
    expect(TEXT).toContain(from);
    expect(() => parseComposeFile(TEXT.replace(from, to))).toThrow(ComposeFileError);
  });
});
