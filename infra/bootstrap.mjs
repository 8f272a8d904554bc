/**
 * `npm run demo`, `npm run bench`, `npm run soak` and `npm test` begin here, on a clone where nothing is installed: plain JavaScript without a dependency. It installs the packages
 * when they are missing or not those of package-lock.json, then runs the real thing in its place: same terminal, same signals, same exit code.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const NODE_MIN = [20, 20];
const STAMP = join(ROOT, 'node_modules', '.feitian-installed');

/** Node's arguments for each thing to run. */
const COMMANDS = {
  demo: ['--import', 'tsx', 'infra/demo/main.ts'],
  bench: ['--import', 'tsx', 'test/bench/main.ts'],
  soak: ['--import', 'tsx', 'test/soak/main.ts'],
  test: [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--config',
    'infra/vitest.config.ts',
    '--reporter=default',
    '--reporter=./infra/test-tally.ts',
  ],
};

async function main([name, ...args]) {
  if (!Object.hasOwn(COMMANDS, name)) fail(`usage: node infra/bootstrap.mjs ${Object.keys(COMMANDS).join('|')} [arguments]`, 2);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
    fail(`Feitian needs Node ${NODE_MIN.join('.')} or newer; this is ${process.versions.node} (${process.execPath}).`, 1);
  }
  const installMs = await installPackages();
  const env = { ...process.env, ...(installMs > 0 ? { FEITIAN_INSTALL_MS: String(installMs) } : {}) };
  process.exit(await run(process.execPath, [...COMMANDS[name], ...args], { cwd: ROOT, env }));
}

/** @returns how long it took, in milliseconds; 0 when there was nothing to do. */
async function installPackages() {
  const lock = readFileSync(join(ROOT, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).update(`${process.platform}-${process.arch}`).digest('hex');
  if (read(STAMP) === wanted) return 0;
  if (holdsAll(JSON.parse(lock).packages)) {
    writeFileSync(STAMP, wanted);
    return 0;
  }
  const startedMs = performance.now();
  console.log('Installing the packages of package-lock.json (npm ci) …');
  // The npm that started us, if one did; a PATH may hold another or none.
  const npm = process.env.npm_execpath ?? '';
  const [command, ...before] = /npm-cli\.js$/.test(npm) ? [process.execPath, npm] : ['npm'];
  const code = await run(command, [...before, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: ROOT });
  if (code !== 0) fail('npm ci failed; what it says is above. Needed are npm and a package registry that it can reach.', 1);
  writeFileSync(STAMP, wanted);
  return Math.round(performance.now() - startedMs);
}

/** Whether an earlier `npm ci` or `npm install` put exactly these packages there: npm keeps a list of what it installed, written last. */
function holdsAll(wanted) {
  const installed = JSON.parse(read(join(ROOT, 'node_modules', '.package-lock.json')) ?? '{}').packages;
  if (!installed) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional, devOptional, extraneous }]) => {
    if (path === '') return true;
    const found = installed[path];
    // Optional ones are for other platforms too.
    return found ? found.version === version && found.integrity === integrity : Boolean(optional || devOptional || extraneous);
  });
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Signals are passed on, and what they do is left to the child: it may have a cluster to stop first. */
function run(command, args, options) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options });
    const pass = (signal) => {
      // A terminal sends Ctrl-C to all that run in it; twice could mean "at once" to the child.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, pass);
    child.once('error', (error) => fail(`${command} could not be started: ${error.message}`, 1));
    child.once('exit', (code, signal) => {
      for (const other of signals) process.off(other, pass);
      // As a shell says it: 128 and the number of the signal.
      resolve(code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0));
    });
  });
}

function fail(message, code) {
  console.error(message);
  process.exit(code);
}

await main(process.argv.slice(2));
