import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ScriptGroup } from './script-group.ts';

/**
 * Protocol traces that a person can read, in scripts/*.txt: a case begins with `## ` and its name, text says what is to be seen, lines with
 * `> ` are commands (see script-group.ts), and what stands below one is the trace it gave. With REWRITE=1 the traces are written anew, to
 * be reviewed as a diff.
 */
const FOLDER = new URL('./scripts/', import.meta.url);
const REWRITE = process.env.REWRITE === '1';

/** The case as it should stand in the file. */
function rerun(lines: readonly string[]): string[] {
  const group = new ScriptGroup();
  const out: string[] = [];
  for (const line of lines) {
    if (line.startsWith('> ')) out.push(line, ...traceOf(group, line.slice(2)).map((each) => `    ${each}`));
    else if (!line.startsWith('    ')) out.push(line);
  }
  return out;
}

function traceOf(group: ScriptGroup, command: string): string[] {
  try {
    return group.run(command);
  } catch (error) {
    return [`! ${(error as Error).message}`];
  }
}

for (const name of readdirSync(FOLDER).sort()) {
  const url = new URL(name, FOLDER);
  const cases = readFileSync(url, 'utf8').split(/^(?=## )/m);
  describe(cases[0]!.trim(), () => {
    const rerunCases = cases.map((text, i) => (i === 0 ? text : rerun(text.split('\n')).join('\n')));
    if (REWRITE) writeFileSync(url, rerunCases.join(''));
    cases.slice(1).forEach((text, i) => {
      test(text.slice(3, text.indexOf('\n')), () => {
        expect(rerunCases[i + 1]).not.toContain('\n    ! ');
        if (!REWRITE) expect(rerunCases[i + 1]).toBe(text);
      });
    });
  });
}
