import { isIP } from 'node:net';
import { z } from 'zod';
import { Secret } from './secret.ts';
import { UNSAFE_IN_SIP } from './trunk/definition.ts';

/** As a configuration is once it is read: nothing in it changes. */
export type DeepReadonly<T> = T extends Secret
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
      : T;

/**
 * A section: a strict object (an unknown key is an error) that may be left out, since every key in it then
 * has its default.
 */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape).prefault({} as never);
}

export const port = z.int().min(1).max(65_535);
export const portOrAny = z.int().min(0).max(65_535);
export const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, {
  error: 'expected 1 to 64 letters, digits, `_`, `.` or `-`, the first a letter or digit',
});
export const host = z.string().regex(/^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})|[0-9A-Fa-f:.]{2,45})$/, {
  error: 'expected a host name or an IP address, without a port',
});
/** A name or an address that may be asked, or all names below a domain. */
export const hostPattern = z
  .string()
  .regex(/^(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251})$|^[0-9A-Fa-f:.]{2,45}$/, {
    error: 'expected a host name, `*.` and a domain, or an IP address, without a port',
  });
export const address = z.string().refine((text) => isIP(text) !== 0, { error: 'expected an IP address' });
export const network = z
  .string()
  .refine(isNetwork, { error: 'expected an IP address, or a network such as 10.0.0.0/8' });
export const locale = z
  .string()
  .regex(/^[a-z]{2,3}(?:-[A-Z]{2})?$/, { error: 'expected a locale such as `en-US`' });
export const path = z.string().min(1).max(4096);
export const milliseconds = (min: number, max: number) => z.int().min(min).max(max);
/** Text that goes into a SIP header. */
export const sipText = z
  .string()
  .min(1)
  .max(128)
  .refine((text) => !UNSAFE_IN_SIP.test(text), {
    error: 'expected no control characters and none of `"`, `\\`, `<`, `>`',
  });

/** A text that is kept from whoever prints the configuration. */
export const secret = z
  .string()
  .min(1)
  .max(256)
  .transform((text) => new Secret(text));

function isNetwork(text: string): boolean {
  const [start = '', bits, ...more] = text.split('/');
  const version = isIP(start);
  return (
    version !== 0 &&
    more.length === 0 &&
    (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)))
  );
}
