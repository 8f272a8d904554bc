import { existsSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { filesBelow, type Import, importsOf, readSource, withoutComments } from './helpers/source-files.ts';

/**
 * The house stays in order: imports point one way, cores are pure, files are short and named alike. A rule that the code outgrows is changed
 * here, in the open, together with the code.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDERS = ['workflows', 'activities', 'services', 'dashboards', 'infra', 'test'];
const LINES_MAX = 400;

const files = FOLDERS.flatMap((folder) => (existsSync(posix.join(ROOT, folder)) ? filesBelow(ROOT, folder) : []));
/** This file is left out: it has imports in its texts. */
const sources = files.filter((path) => /\.m?ts$/.test(path) && path !== 'test/house.test.ts');
const importsByFile = new Map(sources.map((path) => [path, importsOf(readSource(ROOT, path))]));

// ---- where a file stands ----

type Place = 'workflows' | 'activities' | 'core' | 'contract' | 'shell' | 'base' | 'dashboards' | 'infra' | 'test';

function placeOf(path: string): Place {
  const [top, room, next] = path.split('/');
  if (top !== 'services') return top as Place;
  if (room === 'base') return 'base';
  if (next === 'core') return 'core';
  return isContract(path) ? 'contract' : 'shell';
}

const roomOf = (path: string): string => path.split('/').slice(0, 2).join('/');
const isContract = (path: string): boolean => /^services\/[^/]+\/(([a-z-]+-)?contract|contract-fields)\.ts$/.test(path);
const isClient = (path: string): boolean => /^services\/[^/]+\/client\.ts$/.test(path);
/** Says what is counted and runs nothing, so that dashboards and workflows can read it. */
const isMetrics = (path: string): boolean => /^services\/(?!base\/)[^/]+\/metrics\.ts$/.test(path);
const isPackage = (name: string): boolean => !name.startsWith('.');

/** A file of `base` is pure when it imports nothing but other pure files of `base`. */
const isPureBase = (path: string): boolean =>
  placeOf(path) === 'base' &&
  importsByFile
    .get(path)!
    .filter((each) => !each.typeOnly)
    .every(({ specifier }) => !isPackage(specifier) && isPureBase(resolve(path, specifier)));

const resolve = (from: string, specifier: string): string =>
  isPackage(specifier) ? specifier : posix.join(posix.dirname(from), specifier);

// ---- which way imports point ----

/** What a file may import: `target` is a path from the root, or the name of a package. */
type Rule = (target: string, from: string, each: Import) => boolean;

const core = (target: string): boolean => placeOf(target) === 'core';
const packages =
  (...names: string[]): Rule =>
  (target) =>
    names.some((name) => target === name || target.startsWith(`${name}/`));
const anyOf =
  (...rules: Rule[]): Rule =>
  (...args) =>
    rules.some((rule) => rule(...args));
const types =
  (rule: Rule): Rule =>
  (target, from, each) =>
    each.typeOnly && rule(target, from, each);

const sameTop: Rule = (target, from) => target.split('/')[0] === from.split('/')[0];
const sameRoom: Rule = (target, from) => roomOf(target) === roomOf(from);
const base: Rule = (target) => placeOf(target) === 'base';
const path =
  (name: string): Rule =>
  (target) =>
    target === name;

/** Of packages, cores and contracts take only what is pure and runs in a workflow. */
const PURE_PACKAGES = packages('zod', 'picomatch');

const MAY_IMPORT: Record<Place, { own: Rule; packages: Rule }> = {
  workflows: {
    own: anyOf(sameTop, core, isContract, isMetrics, isPureBase, types(base), types(path('activities/index.ts'))),
    // @temporalio/common: what @temporalio/workflow is made of, and the only place of search attribute keys.
    packages: anyOf(packages('@temporalio/workflow', '@temporalio/common'), types(packages('@temporalio'))),
  },
  activities: { own: anyOf(sameTop, isClient, isContract, core, base), packages: () => true },
  core: {
    own: anyOf(coreOfRoom, contractOfRoom, isPureBase, types(base)),
    packages: PURE_PACKAGES,
  },
  // A contract is what others may know, workflows among them, so it is as pure as a core. It may speak in another contract's words.
  contract: {
    own: anyOf(isContract, coreOfRoom, isPureBase, types(base)),
    packages: anyOf(PURE_PACKAGES, types(packages('node:stream', 'node:tls'))),
  },
  // Every room answers its calls through Kuafu's server.
  shell: { own: anyOf(sameRoom, isClient, isContract, base, path('services/kuafu/server.ts')), packages: () => true },
  // A role is told whom it is and whom it answers, whatever decides that.
  base: { own: anyOf(base, types(isContract)), packages: () => true },
  dashboards: {
    own: anyOf(sameTop, isMetrics),
    // Node's own are for writing the files out.
    packages: (target) => target.startsWith('@grafana/') || target.startsWith('node:'),
  },
  infra: { own: (target) => placeOf(target) !== 'test', packages: () => true },
  test: { own: () => true, packages: () => true },
};

function coreOfRoom(target: string, from: string): boolean {
  return core(target) && roomOf(target) === roomOf(from);
}

function contractOfRoom(target: string, from: string): boolean {
  return isContract(target) && roomOf(target) === roomOf(from);
}

function offences(): string[] {
  return sources.flatMap((from) =>
    importsByFile.get(from)!.flatMap((each) => {
      const rules = MAY_IMPORT[placeOf(from)];
      const target = resolve(from, each.specifier);
      const allowed = isPackage(each.specifier) ? rules.packages(target, from, each) : rules.own(target, from, each);
      return allowed ? [] : [`${from}:${each.line} (${placeOf(from)}) imports ${each.typeOnly ? 'types of ' : ''}${target}`];
    }),
  );
}

describe('imports', () => {
  test('point one way', () => {
    expect(offences()).toEqual([]);
  });

  test('name files that are there, with their ending', () => {
    const missing = sources.flatMap((from) =>
      importsByFile
        .get(from)!
        .filter(({ specifier }) => !isPackage(specifier) && !existsSync(posix.join(ROOT, resolve(from, specifier))))
        .map(({ specifier, line }) => `${from}:${line} imports ${specifier}`),
    );
    expect(missing).toEqual([]);
  });

  test('name modules of Node by node:', () => {
    const bare = sources.flatMap((from) =>
      importsByFile
        .get(from)!
        .filter(({ specifier }) => builtinModules.includes(specifier))
        .map(({ specifier }) => `${from} imports ${specifier}`),
    );
    expect(bare).toEqual([]);
  });

  test.each([
    [`import { a } from '../b.ts';`, '../b.ts', false],
    [`import type { A } from '../b.ts';`, '../b.ts', true],
    [`import { type A } from '../b.ts';`, '../b.ts', false],
    [`import {\n  a,\n  b,\n} from '../b.ts';`, '../b.ts', false],
    [`export { a } from '../b.ts';`, '../b.ts', false],
    [`export type * from '../b.ts';`, '../b.ts', true],
    [`import '../b.ts';`, '../b.ts', false],
    [`const b = await import('../b.ts');`, '../b.ts', false],
    [`let b: import('../b.ts').B;`, '../b.ts', true],
  ])('are seen in whatever form: %j', (source, specifier, typeOnly) => {
    expect(importsOf(source)).toEqual([{ specifier, typeOnly, line: 1 }]);
  });

  test('are not seen in comments and text', () => {
    expect(importsOf(`// import { a } from 'b';\n/* import 'c' */\nconst text = "x"; export const from = 'd';`)).toEqual([]);
  });
});

test('declarations of metrics import nothing that runs', () => {
  const found = sources.filter(isMetrics).flatMap((path) => importsByFile.get(path)!.flatMap((each) => (each.typeOnly ? [] : [path])));
  expect(found).toEqual([]);
});

test('cores have no clock, no randomness, no waiting of their own', () => {
  const impure =
    /\b(async|await|Date\.now|new Date\(\)|Math\.random|performance\.|setTimeout|setInterval|setImmediate|process\.|Promise\.)/;
  const found = sources
    .filter((path) => placeOf(path) === 'core')
    .flatMap((path) =>
      withoutComments(readSource(ROOT, path))
        .split('\n')
        .flatMap((line, i) => (impure.test(line.replace(/(['"`])(?:\\.|(?!\1).)*\1/g, '')) ? [`${path}:${i + 1} ${line.trim()}`] : [])),
    );
  expect(found).toEqual([]);
});

test(`files have at most ${LINES_MAX} lines`, () => {
  const long = sources
    .map((path) => ({ path, lines: readSource(ROOT, path).split('\n').length - 1 }))
    .filter(({ lines }) => lines > LINES_MAX);
  expect(long).toEqual([]);
});

test('nothing is left as a note to do later', () => {
  const note = new RegExp(`\\b(${['TO', 'DO'].join('')}|${['FIX', 'ME'].join('')})\\b`);
  const texts = files.filter((path) => /\.(m?ts|md|json|ya?ml|py|sh)$/.test(path) && !path.includes('/histories/'));
  const found = texts.flatMap((path) =>
    readSource(ROOT, path)
      .split('\n')
      .flatMap((line, i) => (note.test(line) ? [`${path}:${i + 1} ${line.trim()}`] : [])),
  );
  expect(found).toEqual([]);
});

test('names are kebab-case', () => {
  const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/;
  const asTheirToolsWantThem = /\/(README\.md|Dockerfile(\.dockerignore)?)$|\.snap$/;
  const named = files.filter((path) => !path.startsWith('infra/migrations/') && !asTheirToolsWantThem.test(path));
  const odd = named.filter((path) => !path.split('/').every((part) => kebab.test(part)));
  expect(odd).toEqual([]);
});

test('every room has a README', () => {
  const rooms = readdirSync(posix.join(ROOT, 'services'), { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name !== 'base',
  );
  expect(rooms.map((room) => `services/${room.name}/README.md`).filter((path) => !existsSync(posix.join(ROOT, path)))).toEqual([]);
});
