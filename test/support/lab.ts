import { LabCarrier, type LabCarrierOptions } from '../../src/lab/carrier.ts';
import { Secret } from '../../src/secret.ts';

export const LAB_CREDENTIALS = { username: 'lab', password: new Secret('lab-secret') };

/** A lab carrier on a free loopback port; faults fail the test that asks for them. */
export async function startCarrier(
  options: Partial<LabCarrierOptions> = {},
): Promise<{ carrier: LabCarrier; faults: unknown[] }> {
  const faults: unknown[] = [];
  const carrier = new LabCarrier({
    host: '127.0.0.1',
    port: 0,
    codecs: ['PCMU', 'PCMA'],
    ...LAB_CREDENTIALS,
    onFault: (error) => faults.push(error),
    ...options,
  });
  await carrier.start();
  return { carrier, faults };
}
