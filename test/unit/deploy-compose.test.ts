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
    ['a circle of dependencies', 'depends_on: [app]', 'depends_on: [balancer]'],
    ['an address that Docker may give to another', '172.28.5.40 }', '172.28.5.140 }'],
    ['the address of the gateway', '172.28.5.40 }', '172.28.5.1 }'],
    ['an address of one that may be scaled', 'voice: {}', 'voice: { ipv4_address: 172.28.5.60 }'],
    ['a host name of one that may be scaled', 'x-scalable: true', 'x-scalable: true\n    hostname: app'],
    ['a name of one that may be scaled', 'x-scalable: true', 'x-scalable: true\n    container_name: app'],
    ['a port of one that may be scaled', 'x-scalable: true', 'x-scalable: true\n    ports: ["81:81"]'],
    [
      'a dependency in a profile that may be off',
      'redis: { condition: service_healthy, required: false }',
      'redis: { condition: service_healthy }',
    ],
  ])('%s is found', (_, from, to) => {
    expect(TEXT).toContain(from);
    expect(danglingReferences(parseComposeFile(TEXT.replace(from, to)), ROOT)).not.toEqual([]);
  });

  test.each([
    ['a misspelt key', 'stop_grace_period: 60s', 'stop_grace: 60s'],
    ['a single dollar', '$$(cat /secrets/drachtio)', '$(cat /secrets/drachtio)'],
    ['a variable without a default', '${API_PORT:-8080}', '${API_PORT}'],
    ['an unknown condition', 'service_healthy', 'service_happy'],
    ['an unknown mark', 'x-scalable: true', 'x-scaleable: true'],
    ['a container with capabilities', 'cap_drop: [ALL]', 'cap_drop: []'],
    ['a file that is no YAML', 'services:', 'services: ]'],
  ])('%s is refused', (_, from, to) => {
    expect(TEXT).toContain(from);
    expect(() => parseComposeFile(TEXT.replace(from, to))).toThrow(ComposeFileError);
  });
});
