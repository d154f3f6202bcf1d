import { styleText } from 'node:util';

type Colour = 'green' | 'red' | 'cyan' | 'gray' | 'yellow';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where a command shows its progress: colours and a line that is written over only on a terminal, and no colours
 * where NO_COLOR says so (https://no-color.org).
 */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  readonly #isTerminal: boolean;
  readonly #isColourful: boolean;
  #live = false;

  constructor(out: NodeJS.WriteStream = process.stdout, env: Environment = process.env) {
    this.#out = out;
    this.#isTerminal = out.isTTY && env['TERM'] !== 'dumb';
    this.#isColourful = this.#isTerminal && (env['NO_COLOR'] ?? '') === '';
  }

  heading(text: string): void {
    this.line(`\n${this.#styled('bold', text)}`);
  }

  line(text = ''): void {
    if (this.#live) this.#out.write('\r\x1b[K');
    this.#live = false;
    this.#out.write(`${text}\n`);
  }

  /** A line that the next one replaces; off a terminal it is not shown at all. */
  live(text: string): void {
    if (!this.#isTerminal) return;
    this.#out.write(`\r\x1b[K${text}`);
    this.#live = true;
  }

  /** A statement that was put to the test. */
  verdict(holds: boolean, text: string): void {
    this.line(`  ${holds ? this.paint('green', '✔') : this.paint('red', '✘')} ${text}`);
  }

  paint(colour: Colour, text: string): string {
    return this.#styled(colour, text);
  }

  #styled(style: Colour | 'bold', text: string): string {
    // Which stream it is for is known here better.
    return this.#isColourful ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** A value as a line of JSON: what a command says to a script. */
export function writeJson(out: NodeJS.WriteStream, value: unknown): void {
  out.write(`${JSON.stringify(value)}\n`);
}

const BAR = 30;

/** A bar for a share from 0 to 1. */
export function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR);
  return '█'.repeat(full) + '░'.repeat(BAR - full);
}
