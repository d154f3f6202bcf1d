import { styleText } from 'node:util';

type Colour = 'green' | 'red' | 'cyan' | 'gray' | 'yellow';

/** Where a command shows its progress: colours and a line that is written over only on a terminal. */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  #live = false;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
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
    if (!this.#out.isTTY) return;
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
    return this.#out.isTTY ? styleText(style, text) : text;
  }
}

const BAR = 30;

/** A bar for a share from 0 to 1. */
export function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR);
  return '█'.repeat(full) + '░'.repeat(BAR - full);
}
