import { expect, it } from 'vitest';
import { LocalAddresses } from '../../../src/sip/local-address.ts';

const at = (address: string) => ({ address, port: 5060, transport: 'udp' }) as const;

it('the address that a peer reaches is the one that the system sends from', async () => {
  expect(await new LocalAddresses('0.0.0.0', undefined).towards(at('127.0.0.9'))).toBe('127.0.0.1');
  expect(await new LocalAddresses('127.0.0.2', undefined).towards(at('127.0.0.9'))).toBe('127.0.0.2');
  expect(await new LocalAddresses('0.0.0.0', '192.0.2.7').towards(at('127.0.0.9'))).toBe('192.0.2.7');
});

it('there is none where the system sends nothing, such as to everybody', async () => {
  const addresses = new LocalAddresses('0.0.0.0', undefined);
  await expect(addresses.towards(at('255.255.255.255'))).rejects.toThrow('EACCES');
});
