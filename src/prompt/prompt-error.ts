/** Why a prompt cannot be played; docs/errors.md explains each. */
export type PromptFault =
  /** The provider is away, refused, broke, or gave what is no speech. */
  | 'tts_failed'
  /** It took too long. */
  | 'tts_timeout'
  /** The provider has no voice of the name that was asked for. */
  | 'unknown_voice'
  /** A file or an address holds no sound that can be used, or nothing is heard of this text. */
  | 'not_audio'
  /** The address may not be asked: its scheme, its host, or where its name leads to. */
  | 'url_refused'
  /** It was asked, and did not give the file: status, silence, a broken connection, too many redirects. */
  | 'url_failed'
  /** More than is allowed: bytes of a file, or length of the prompt. */
  | 'too_long'
  /** There is no such clip in `sounds/`. */
  | 'file_not_found'
  /** Nothing speaks this language. */
  | 'unsupported_locale';

/**
 * A prompt that cannot be played. The message is for the client and for the record of the call: it never holds a
 * text that was to be spoken, the path or query of an address, or a secret.
 */
export class PromptError extends Error {
  readonly fault: PromptFault;

  constructor(fault: PromptFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PromptError';
    this.fault = fault;
  }
}
