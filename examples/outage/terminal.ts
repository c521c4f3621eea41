import { styleText } from 'node:util';

export type Format = Parameters<typeof styleText>[0];

const { stdout, env } = process;

/** Whether what was written can be drawn over. */
export const canDraw = stdout.isTTY && env['TERM'] !== 'dumb';

const hasColours = canDraw && !env['NO_COLOR'] && stdout.hasColors();

export const paint = (format: Format, text: string): string => (hasColours ? styleText(format, text) : text);

export const print = (...lines: readonly string[]): void => {
  stdout.write(`${lines.join('\n')}\n`);
};

const up = (lines: number): string => (lines > 0 ? `\x1b[${lines}A\r` : '');
const CLEAR_LINE = '\x1b[K';
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

/** A picture that is drawn anew in its place, at the end of the output. */
export class Canvas {
  #height = 0;

  constructor() {
    stdout.write(HIDE_CURSOR);
    process.once('exit', () => stdout.write(SHOW_CURSOR));
    process.once('SIGINT', () => process.exit(130));
  }

  /** @param above Lines that are put above the picture and stay. */
  draw(picture: readonly string[], above: readonly string[] = []): void {
    const lines = [...above, ...picture].map((line) => `${line}${CLEAR_LINE}\n`);
    stdout.write(up(this.#height) + lines.join(''));
    this.#height = picture.length;
  }
}
