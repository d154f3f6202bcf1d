import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ComposeFileError, parseComposeFile } from './compose-file.ts';
import { danglingReferences } from './compose-references.ts';
import { freeswitchProblems, readXml, xmlFiles } from './freeswitch-files.ts';

/** `npm run check:deploy`: what `docker compose config` would find, and a little more, without Docker. */

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COMPOSE = 'docker-compose.yml';

function composeProblems(): string[] {
  try {
    const compose = parseComposeFile(readFileSync(join(ROOT, COMPOSE), 'utf8'));
    return danglingReferences(compose, ROOT);
  } catch (error) {
    if (error instanceof ComposeFileError) return [...error.problems];
    throw error;
  }
}

function xmlProblems(): string[] {
  return xmlFiles(join(ROOT, 'deploy')).flatMap((file) => {
    try {
      readXml(file);
      return [];
    } catch (error) {
      return [`${relative(ROOT, file)}: ${String(error)}`];
    }
  });
}

const notXml = xmlProblems();
const problems = [
  ...composeProblems().map((problem) => `${COMPOSE}: ${problem}`),
  ...notXml,
  ...(notXml.length > 0
    ? []
    : freeswitchProblems(join(ROOT, 'deploy/freeswitch')).map((problem) => `deploy/freeswitch/${problem}`)),
];
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;
