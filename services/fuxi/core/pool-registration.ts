import type { PoolNode } from './pool-state.ts';

/** What a Tubo tells about itself when it registers (JSON in Nuwa): figures and names under `attributes`. */
export interface TuboRegistration {
  instance: string;
  node?: string | undefined;
  rack?: string | undefined;
  attributes: Record<string, string | number | boolean>;
}

/** Attributes `virtual.<name>` are virtual resources. */
const VIRTUAL = 'virtual.';

/** @returns the node, or in a few words what the registration lacks. */
export function nodeOfRegistration({ instance, node, rack, attributes }: TuboRegistration, incarnation: string): PoolNode | string {
  const { cpu, memoryMiB, leaving } = attributes;
  if (typeof cpu !== 'number' || !(cpu > 0)) return 'its attribute cpu is not a number above 0';
  if (typeof memoryMiB !== 'number' || !(memoryMiB > 0)) return 'its attribute memoryMiB is not a number above 0';
  const virtual: Record<string, number> = {};
  for (const [name, value] of Object.entries(attributes))
    if (name.startsWith(VIRTUAL) && typeof value === 'number') virtual[name.slice(VIRTUAL.length)] = value;
  return { id: node ?? instance, rack: rack ?? '', incarnation, capacity: { cpu, memoryMiB, virtual }, leaving: leaving === true };
}
