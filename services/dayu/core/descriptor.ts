import { schemaProblems } from '../../base/problems.ts';
import { type Descriptor, descriptorSchema, type Problem, type RoleDescriptor } from '../contract.ts';
import { leadsOutside } from './archive.ts';

export type ParsedDescriptor = { ok: true; descriptor: Descriptor } | { ok: false; problems: Problem[] };

/** `dayu.json` as the schema and the rules beyond it see it: all problems at once, or the descriptor with its defaults. */
export function parseDescriptor(document: unknown): ParsedDescriptor {
  const parsed = descriptorSchema.safeParse(document);
  if (!parsed.success) return { ok: false, problems: schemaProblems(parsed.error) };
  const { roles } = parsed.data;
  const problems = [
    ...(Object.keys(roles).length === 0 ? [{ path: 'roles', message: 'must hold at least one role' }] : []),
    ...Object.entries(roles).flatMap(([name, role]) => roleProblems(role, `roles.${name}`)),
    ...portsTwice(roles),
  ];
  return problems.length > 0 ? { ok: false, problems } : { ok: true, descriptor: parsed.data };
}

function roleProblems({ command, health, ports }: RoleDescriptor, at: string): Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: string, message: string): void => void problems.push({ path: `${at}.${path}`, message });

  const kinds = (['http', 'tcp', 'command'] as const).filter((kind) => health[kind] !== undefined);
  if (kinds.length > 1) refuse('health', `has ${kinds.join(' and ')}; give one of them`);
  for (const kind of ['http', 'tcp'] as const) {
    const port = health[kind]?.port;
    if (port === undefined || Object.hasOwn(ports, port)) continue;
    const names = Object.keys(ports);
    refuse(
      `health.${kind}.port`,
      `there is no port "${port}"; ${names.length > 0 ? `ports are ${names.join(', ')}` : 'the role has none'}`,
    );
  }
  if (isOutside(command[0]!)) refuse('command[0]', `"${command[0]}" leads out of the package`);
  if (health.command && isOutside(health.command[0]!)) refuse('health.command[0]', `"${health.command[0]}" leads out of the package`);
  return problems;
}

/** A program of the machine (a name to look for in PATH, or a whole path) is fine; one of the package must lie in it. */
const isOutside = (program: string): boolean => program.includes('/') && !program.startsWith('/') && leadsOutside(program);

function portsTwice(roles: Descriptor['roles']): Problem[] {
  const seen = new Map<number, string>();
  const problems: Problem[] = [];
  for (const [role, { ports }] of Object.entries(roles)) {
    for (const [name, port] of Object.entries(ports)) {
      if (port === 0) continue;
      const path = `roles.${role}.ports.${name}`;
      const first = seen.get(port);
      if (first) problems.push({ path, message: `is ${port}, as ${first} is` });
      else seen.set(port, path);
    }
  }
  return problems;
}
