import picocolors from 'picocolors';
import { widthOf } from '../cli/ui/table.ts';
import { formatMs } from '../cli/ui/units.ts';

const NAME_WIDTH = 22;

/** What the demo says. Lines only, so that it reads the same in a terminal and in a log; colours only where they are wanted. */
export class Screen {
  readonly colors: ReturnType<typeof picocolors.createColors>;

  constructor(color: boolean) {
    this.colors = picocolors.createColors(color && picocolors.isColorSupported && process.stdout.isTTY === true);
  }

  line(text = ''): void {
    process.stdout.write(`${text}\n`);
  }

  title(text: string): void {
    this.line(`\n${this.colors.bold(text)}`);
  }

  /** Something is done, and took so long. */
  done(name: string, ms: number, detail = ''): void {
    const { green, dim } = this.colors;
    const padded = name + ' '.repeat(Math.max(1, NAME_WIDTH - widthOf(name)));
    this.line(`  ${green('✓')} ${padded}${dim(formatMs(ms).padStart(9))}${detail ? `  ${detail}` : ''}`);
  }

  /** Something is missing that can be done without. */
  leftOut(name: string, detail = ''): void {
    const { yellow, dim } = this.colors;
    this.line(`  ${yellow('–')} ${name.padEnd(NAME_WIDTH)}${''.padStart(9)}  ${dim(detail)}`);
  }

  fact(name: string, text: string): void {
    this.line(`  ${name.padEnd(10)}${text}`);
  }

  warning(text: string): string {
    return `  ${this.colors.yellow('!')} ${text}`;
  }

  fail(text: string): void {
    process.stderr.write(`\n${this.colors.red('✗')} ${text}\n`);
  }
}
