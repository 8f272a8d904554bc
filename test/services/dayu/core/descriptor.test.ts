import { describe, expect, test } from 'vitest';
import { parseDescriptor } from '../../../../services/dayu/core/descriptor.ts';

const web = { command: ['node', 'server.mjs'], ports: { http: 0 }, health: { http: { port: 'http' } } };
const good = { name: 'hello', version: '1.0.0', roles: { web } };
const withRole = (changes: object, name = 'web') => ({ ...good, roles: { [name]: { ...web, ...changes } } });

describe('a descriptor', () => {
  test('is filled with its defaults', () => {
    const parsed = parseDescriptor({ name: 'hello', version: '1', roles: { web: { command: ['./run'] } } });
    expect(parsed).toMatchObject({
      ok: true,
      descriptor: {
        roles: {
          web: {
            environment: {},
            ports: {},
            resources: { cpu: 0.1, memoryMiB: 64 },
            health: { intervalMs: 1_000, timeoutMs: 2_000, failuresMax: 2 },
            drainMs: 1_000,
            stopGraceMs: 10_000,
          },
        },
      },
    });
  });

  test.each([
    ['may run a program of the machine', withRole({ command: ['/usr/bin/env', 'node', '../x'] })],
    ['may step out of a directory of its own', withRole({ command: ['bin/../run'] })],
    ['may have two ports that are any', withRole({ ports: { http: 0, admin: 0 } })],
    ['may have roles with the same program', { ...good, roles: { a: web, b: web } }],
  ])('%s', (_, document) => {
    expect(parseDescriptor(document)).toMatchObject({ ok: true });
  });

  test.each([
    [undefined, '', /object/],
    [{ ...good, name: 'Hello' }, 'name', /lower-case/],
    [{ ...good, version: '' }, 'version', /1 to 64/],
    [{ ...good, extra: 1 }, 'extra', /not a known field/],
    [{ ...good, roles: {} }, 'roles', /at least one role/],
    [withRole({}, 'Web'), 'roles.Web', /lower-case/],
    [withRole({ command: [] }), 'roles.web.command', /must name a program/],
    [withRole({ command: ['../run'] }), 'roles.web.command[0]', /leads out of the package/],
    [withRole({ command: ['bin/../../run'] }), 'roles.web.command[0]', /leads out of the package/],
    [withRole({ environment: { '1A': '' } }), 'roles.web.environment.1A', /environment variable/],
    [withRole({ ports: { http: 70_000 } }), 'roles.web.ports.http', /65535/],
    [withRole({ health: { http: { port: 'web' } } }), 'roles.web.health.http.port', /no port "web"; ports are http/],
    [withRole({ ports: {}, health: { tcp: { port: 'web' } } }), 'roles.web.health.tcp.port', /the role has none/],
    [withRole({ health: { tcp: { port: 'http' }, command: ['true'] } }), 'roles.web.health', /tcp and command; give one/],
    [withRole({ health: { command: ['../check'] } }), 'roles.web.health.command[0]', /leads out/],
    [withRole({ ports: { http: 8080, admin: 8080 } }), 'roles.web.ports.admin', /is 8080, as roles.web.ports.http is/],
    [
      { ...good, roles: { a: { ...web, ports: { http: 80 } }, b: { ...web, ports: { http: 80 } } } },
      'roles.b.ports.http',
      /as roles.a.ports.http is/,
    ],
    [withRole({ stopGraceMs: 0 }), 'roles.web.stopGraceMs', /./],
  ])('is refused: %j, at %s', (document, path, message) => {
    const parsed = parseDescriptor(document);
    expect(parsed).toMatchObject({ ok: false, problems: [{ path, message: expect.stringMatching(message) }] });
  });

  test('is told all of its problems at once', () => {
    const parsed = parseDescriptor({
      ...good,
      roles: { a: { ...web, command: ['../x'] }, b: { ...web, health: { tcp: { port: 'no' } } } },
    });
    expect(parsed).toMatchObject({ problems: [{ path: 'roles.a.command[0]' }, { path: 'roles.b.health.tcp.port' }] });
  });
});
