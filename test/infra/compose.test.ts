import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { writeDashboards } from '../../dashboards/write.ts';
import { register as registerKey } from '../../infra/cli/commands/key.ts';
import { DYNAMIC_CONFIG } from '../../infra/cluster/temporal.ts';
import { roleConfigs, VARIABLES } from '../../infra/config.ts';
import { isRoleName, OPTIONAL_ROLES, ROLE_NAMES, type RoleName } from '../../infra/roles.ts';
import { roleGrants } from '../../infra/security/role-grants.ts';
import { runProgram } from '../../infra/setup/run-program.ts';
import { createGuard, NO_REVOCATIONS, openIdentity, readTrustFile, trustOf } from '../../services/zhongkui/client.ts';
import { skipWithout } from '../helpers/programs.ts';
import { challengeOf } from '../services/zhongkui/stage.ts';
import { runVerbs } from './cli-stage.ts';

/** The compose file without Docker: all that can be wrong with it before a container runs. */
interface Service {
  image?: string;
  build?: { context: string; dockerfile: string };
  command?: string[];
  entrypoint?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  networks?: string[];
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: object;
}
interface Compose {
  name: string;
  services: Record<string, Service>;
  networks: Record<string, object>;
  volumes: Record<string, object>;
}

const INFRA = fileURLToPath(new URL('../../infra', import.meta.url));
const GENERATED = resolve(INFRA, '../dashboards/generated');
const read = (path: string): Promise<string> => readFile(join(INFRA, path), 'utf8');

let text: string;
let compose: Compose;
let services: [string, Service][];
let scratch: string;

beforeAll(async () => {
  text = await read('compose.yaml');
  compose = parse(text, { merge: true }) as Compose;
  services = Object.entries(compose.services);
  scratch = await mkdtemp(join(tmpdir(), 'compose-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const ours = (): [string, Service][] => services.filter(([, { build }]) => build);
const isOnce = (name: string): boolean => name === 'prepare' || name === 'keys';
/** With each `${NAME:-default}` taken as its default, as Compose does when nothing is set. */
const filled = (value: string): string => value.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1');

describe('the compose file', () => {
  it('runs Temporal and Feitian with a Postgres each, what watches them, and three nodes', () => {
    expect(compose.name).toBe('feitian');
    expect(Object.keys(compose.services)).toEqual(
      expect.arrayContaining(['postgres', 'temporal-postgres', 'temporal', 'temporal-ui', 'prometheus', 'alertmanager', 'grafana']),
    );
    const nodes = ours().map(([, { environment }]) => environment?.FEITIAN_NODE);
    expect(nodes.filter(Boolean)).toEqual(['node-1', 'node-2', 'node-3']);
  });

  it('gives every service an image or says how to build one, of a version that is named', () => {
    for (const [name, { image, build }] of services) {
      expect(image ?? build, name).toBeTruthy();
      if (!build) expect(filled(image!), name).toMatch(/^[\w./-]+:v?\d[\w.-]*$/);
      else expect(existsSync(resolve(INFRA, build.context, build.dockerfile)), name).toBe(true);
    }
  });

  it('mounts only what is in the repository, or is written by the command that it names', async () => {
    await writeDashboards(scratch, { prometheusUrl: 'http://prometheus:9090' });
    expect(text).toMatch(/^# +npm run dashboards -- .*--prometheus http:\/\/prometheus:9090.*--mounted-at \/etc\/feitian\/dashboards$/m);
    for (const [name, { volumes = [] }] of services) {
      for (const [source, target, mode] of volumes.map((volume) => volume.split(':'))) {
        expect(target, name).toMatch(/^\//);
        if (!source!.startsWith('.')) {
          expect(Object.keys(compose.volumes), `${name} keeps its data in`).toContain(source);
          continue;
        }
        const path = resolve(INFRA, source!);
        const inGenerated = relative(GENERATED, path);
        expect(existsSync(inGenerated.startsWith('..') ? path : join(scratch, inGenerated)), `${name} mounts ${source}`).toBe(true);
        expect(mode, `${name} mounts ${source}`).toBe('ro');
      }
    }
  });

  it('declares every service, volume and network that it speaks of, and uses all it declares', () => {
    for (const [name, { depends_on = {}, networks = [] }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        expect(Object.keys(compose.services), `${name} depends on`).toContain(other);
        if (condition === 'service_healthy')
          expect(compose.services[other]!.healthcheck, `${name} waits for the health of ${other}`).toBeTruthy();
      }
      expect(networks.length, name).toBeGreaterThan(0);
      for (const network of networks) expect(Object.keys(compose.networks), name).toContain(network);
    }
    const used = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0]));
    expect(Object.keys(compose.volumes).filter((volume) => !used.includes(volume))).toEqual([]);
  });

  it('has no circle of services that wait for each other', () => {
    const waitsFor = (name: string, behind: string[]): void => {
      expect(behind, `${[...behind, name].join(' waits for ')}`).not.toContain(name);
      for (const other of Object.keys(compose.services[name]!.depends_on ?? {})) waitsFor(other, [...behind, name]);
    };
    for (const [name] of services) waitsFor(name, []);
  });

  it('publishes ports to this machine alone, none twice', () => {
    const published = services.flatMap(([, { ports = [] }]) => ports);
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    const hostPorts = published.map((port) => port.split(':')[1]);
    expect(new Set(hostPorts).size).toBe(hostPorts.length);
  });

  it('plays every role that a cluster needs, with all that the role needs and nothing that it does not know', async () => {
    const known = new Set([...Object.values(VARIABLES), 'TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'FEITIAN_SCRAPE']);
    const played = new Set<string>();
    for (const [name, { command = [], environment = {} }] of ours()) {
      for (const variable of Object.keys(environment)) expect(known, `${name} is told`).toContain(variable);
      if (isOnce(name)) continue;
      const [verb, ...roles] = command;
      expect(verb, name).toBe('run');
      for (const role of roles) {
        expect(isRoleName(role), `${name} plays ${role}`).toBe(true);
        played.add(role);
      }
      const values = Object.fromEntries(Object.entries(environment).map(([variable, value]) => [variable, filled(value)]));
      expect(await roleConfigs(roles as RoleName[], {}, values), name).toHaveLength(roles.length);
    }
    expect(ROLE_NAMES.filter((role) => !played.has(role))).toEqual(OPTIONAL_ROLES);
  });

  it('runs three Nuwa servers of one group, each with a disk of its own, and everybody knows all of them', async () => {
    const servers = services.filter(([, { command }]) => command?.includes('nuwa'));
    const configs = await Promise.all(servers.map(async ([, { environment }]) => (await roleConfigs(['nuwa'], {}, environment!))[0]!));
    const members = ['nuwa-1', 'nuwa-2', 'nuwa-3'].map((id) => ({ id, address: `tcp://${id}:7000` }));
    expect(configs.map(({ nuwaServer }) => nuwaServer)).toEqual(members.map(({ id }) => ({ id, members, zookeeper: '0.0.0.0:2181' })));
    expect(servers.map(([name]) => name)).toEqual(members.map(({ id }) => id));
    expect(new Set(servers.flatMap(([, { volumes = [] }]) => volumes.filter((volume) => volume.endsWith(':/data')))).size).toBe(3);
    for (const [name, { environment }] of ours()) {
      if (!isOnce(name)) expect(environment?.FEITIAN_NUWA, name).toBe(members.map(({ address }) => address).join(','));
    }
  });

  it('prepares tables and search attributes once, before every role but Nuwa', async () => {
    const { prepare, keys: _, ...others } = compose.services;
    const { scripts } = JSON.parse(await read('../package.json')) as { scripts: Record<string, string> };
    expect(prepare!.entrypoint!.slice(0, 2)).toEqual(['npm', 'run']);
    expect(scripts).toHaveProperty(prepare!.entrypoint![2]!);
    for (const [name, { build, depends_on = {} }] of Object.entries(others))
      if (build && !name.startsWith('nuwa-'))
        expect(depends_on, name).toMatchObject({ prepare: { condition: 'service_completed_successfully' } });
  });

  it('makes a key for every process before it starts, with which it may do what its roles may, and keeps the issuer’s to itself', async () => {
    const { keys } = compose.services;
    expect(keys!.volumes).toEqual(['issuer:/issuer', 'keys:/keys']);
    const here = (path: string): string => path.replace(/^\/(issuer|keys)/, (place) => join(scratch, place));
    const { code, stderr } = await runVerbs([registerKey], keys!.command!.map(here));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });

    const files = new Set<string>();
    for (const [name, { command = [], environment = {}, volumes, depends_on }] of ours()) {
      if (isOnce(name)) continue;
      expect(depends_on, name).toMatchObject({ keys: { condition: 'service_completed_successfully' } });
      expect(volumes, name).toContain('keys:/keys:ro');
      expect(
        volumes!.filter((volume) => volume.startsWith('issuer:')),
        name,
      ).toEqual([]);
      const trust = await readTrustFile(here(environment.FEITIAN_TRUST!));
      const guard = createGuard({ cluster: environment.FEITIAN_CLUSTER!, trust: trustOf(trust.keys), revocations: NO_REVOCATIONS });
      const identity = await openIdentity(here(environment.FEITIAN_IDENTITY!), { watch: false });
      const challenge = challengeOf();
      const caller = await guard.admit(identity.present(challenge), challenge);
      for (const role of command.slice(1) as RoleName[])
        for (const { resource, operations } of roleGrants(role, 'local'))
          for (const operation of operations)
            expect(caller.refusal(operation, resource), `${name}: ${operation} ${resource}`).toBeUndefined();
      files.add(environment.FEITIAN_IDENTITY!);
    }
    // A key is of one process: so it can be revoked without the others.
    expect(files.size).toBe(ours().filter(([name]) => !isOnce(name)).length);
    expect(await readdir(join(scratch, 'keys'))).toEqual(['services', 'trust.json']);
  });

  it('gives Temporal the limits that a local cluster gives it', async () => {
    const settings = parse(await read('compose/temporal.yaml')) as Record<string, { value: number }[]>;
    expect(Object.fromEntries(Object.entries(settings).map(([name, [first]]) => [name, first!.value]))).toEqual(DYNAMIC_CONFIG);
  });

  it('has Prometheus and Alertmanager ask for services by their names, at ports where they listen', async () => {
    const listening = new Map<string, string[]>();
    for (const [name, { environment = {}, ports = [] }] of services) {
      const said = Object.values(environment).flatMap((value) =>
        [...value.matchAll(/^(?:tcp:\/\/)?0\.0\.0\.0:(\d+)$/g)].map(([, port]) => port!),
      );
      listening.set(name, [...said, ...ports.map((port) => port.split(':')[2]!)]);
    }
    const addresses = [...(await read('prometheus/prometheus.yml')).matchAll(/\b([a-z-]+):(\d{4,5})\b/g)];
    addresses.push(...(await read('prometheus/alertmanager.yml')).matchAll(/\b([a-z-]+):(\d{4,5})\b/g));
    addresses.push(...text.matchAll(/FEITIAN_SCRAPE: \w+=([a-z-]+):(\d{4,5})/g), ...text.matchAll(/tcp:\/\/([a-z]+[a-z0-9-]*):(\d+)/g));
    expect(addresses.length).toBe(10);
    for (const [, host, port] of addresses) expect(listening.get(host!), `${host}:${port}`).toContain(port);
  });

  it.skipIf(skipWithout('promtool', 'the Prometheus configuration of the compose file'))(
    'configures Prometheus so that it starts',
    async () => {
      await writeDashboards(scratch, { prometheusUrl: 'http://prometheus:9090' });
      const config = (await read('prometheus/prometheus.yml')).replace('/etc/prometheus/rules/', `${scratch}/rules/`);
      await writeFile(join(scratch, 'prometheus.yml'), config);
      const { stdout } = await runProgram('promtool', ['check', 'config', join(scratch, 'prometheus.yml')], { timeoutMs: 30_000 });
      expect(stdout).toMatch(/SUCCESS: \d+ rules found/);
    },
  );

  it.skipIf(skipWithout('amtool', 'the Alertmanager configuration of the compose file'))(
    'configures Alertmanager so that it starts',
    async () => {
      const { stdout } = await runProgram('amtool', ['check-config', join(INFRA, 'prometheus/alertmanager.yml')], { timeoutMs: 30_000 });
      expect(stdout).toContain('SUCCESS');
    },
  );
});
