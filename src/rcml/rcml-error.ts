/** A document that says nothing that we could do. The message quotes nothing of it but names of elements. */
export class RcmlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RcmlError';
  }
}
