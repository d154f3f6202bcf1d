import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Report } from './config-secrets.ts';
import { path } from './config-values.ts';
import type { TlsTerms } from './engine/engine.ts';
import { Secret } from './secret.ts';
import { tlsFault } from './sip/tls-trust.ts';

/** How a trunk over TLS is trusted, and what we show it. Certificates and keys are PEM files. */
export const trunkTls = z.strictObject({
  caFile: path.optional(),
  pins: z.array(z.string().min(1).max(200)).max(10).default([]),
  certificateFile: path.optional(),
  keyFile: path.optional(),
  serverName: z.string().min(1).max(253).optional(),
});

type TrunkTls = z.output<typeof trunkTls>;

/** The terms with the contents of the files. What is wrong with them goes to `report`. */
export function tlsTerms(
  { caFile, pins, certificateFile, keyFile, serverName }: TrunkTls,
  owner: readonly PropertyKey[],
  report: Report,
): TlsTerms {
  const read = (key: string, file: string | undefined): string | undefined =>
    file === undefined ? undefined : readPem([...owner, key], file, report);
  const [ca, cert, key] = [
    read('caFile', caFile),
    read('certificateFile', certificateFile),
    read('keyFile', keyFile),
  ];
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    report([...owner, 'certificateFile'], 'expected certificateFile and keyFile, or neither');
  }
  const terms: TlsTerms = {
    ...(ca === undefined ? {} : { ca }),
    ...(pins.length === 0 ? {} : { pins }),
    ...(cert === undefined || key === undefined ? {} : { certificate: { cert, key: new Secret(key) } }),
    ...(serverName === undefined ? {} : { serverName }),
  };
  const fault = tlsFault(terms);
  if (fault !== undefined) report(owner, fault);
  return terms;
}

function readPem(place: readonly PropertyKey[], file: string, report: Report): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    report(place, 'expected a file that can be read');
    return undefined;
  }
}
