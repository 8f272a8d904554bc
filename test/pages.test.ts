import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { filesBelow } from './helpers/source-files.ts';

/** Pages that people read: links lead somewhere, and the two first pages say the same. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDERS = ['workflows', 'activities', 'services', 'dashboards', 'infra', 'test'];
const pages = [
  'README.md',
  'README.zh-CN.md',
  'CHANGELOG.md',
  ...FOLDERS.flatMap((folder) => filesBelow(ROOT, folder)).filter((path) => path.endsWith('.md')),
];

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const linksOf = (text: string): string[] =>
  [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!).filter((target) => !/^https?:/.test(target));
/** As GitHub makes them of headings. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('pages', () => {
  test.each(pages)('%s links to what is there', (page) => {
    const broken = linksOf(read(page)).filter((target) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(ROOT, file))) return true;
      return anchor !== undefined && !anchorsOf(read(file)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test('README.zh-CN.md is in step with README.md: the same commands, the same links, in the same order', () => {
    const commands = (text: string): string[] =>
      [...text.matchAll(/```\w*\n(.*?)```/gs)].flatMap(([, block]) => block!.split('\n').map((line) => line.replace(/\s+#.*$/, '')));
    const [english, chinese] = [read('README.md'), read('README.zh-CN.md')];
    expect(commands(chinese)).toEqual(commands(english));
    const links = (text: string): string[] => linksOf(text).filter((target) => !target.startsWith('README'));
    expect(links(chinese)).toEqual(links(english));
  });
});
