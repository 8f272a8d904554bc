import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../services/base/clock.ts';
import type { Caller } from '../../../services/kuafu/guard-contract.ts';
import { ChunkPermission } from '../../../services/pangu/chunk/permission.ts';
import { parseTicket, TICKET_MS } from '../../../services/pangu/core/ticket.ts';
import { Tickets } from '../../../services/pangu/tickets.ts';

const KEYS = [
  { id: 'day-1', secret: new Uint8Array(32).fill(1) },
  { id: 'day-2', secret: new Uint8Array(32).fill(2) },
];
const CLAIM = { chunk: 'c-1', operation: 'read', holder: 'alice' } as const;

function ticketsOf(current?: string): Tickets {
  const tickets = new Tickets();
  tickets.setKeys(KEYS, current);
  return tickets;
}

describe('a ticket', () => {
  it('is good for its chunk, its operation and its holder, and nothing else', () => {
    const tickets = ticketsOf('day-2');
    const text = tickets.make(CLAIM, 1_000);
    for (const checker of [tickets, ticketsOf()]) {
      expect(checker.problem(text, CLAIM, 1_000)).toBeUndefined();
      for (const other of [{ chunk: 'c-2' }, { operation: 'write' as const }, { holder: 'bob' }])
        expect(checker.problem(text, { ...CLAIM, ...other }, 1_000)).toMatch(/something else/);
    }
  });

  it('ends when it says, also where it was found good before', () => {
    const tickets = ticketsOf('day-1');
    const text = tickets.make(CLAIM, 0);
    const { expiresAtMs } = parseTicket(text)!;
    expect(expiresAtMs).toBe(TICKET_MS);
    expect(tickets.problem(text, CLAIM, expiresAtMs - 1)).toBeUndefined();
    expect(tickets.problem(text, CLAIM, expiresAtMs)).toMatch(/expired/);
  });

  it('cannot be made to last longer, moved to another key, or be anything but a ticket', () => {
    const tickets = ticketsOf('day-1');
    const [key, expires, code] = tickets.make(CLAIM, 0).split('.') as [string, string, string];
    const later = (Number.parseInt(expires, 36) + 60_000).toString(36);
    for (const forged of [`${key}.${later}.${code}`, `day-2.${expires}.${code}`, `${key}.${expires}.${'A'.repeat(22)}`])
      expect(tickets.problem(forged, CLAIM, 0), forged).toMatch(/something else, or forged/);
    for (const none of [
      undefined,
      '',
      'x',
      `${key}.${expires}`,
      `${key}.${expires}.${code}=`,
      `../${key}.${expires}.${code}`,
      'a.'.repeat(1e5),
    ])
      expect(tickets.problem(none, CLAIM, 0)).toMatch(/no ticket/);
    expect(tickets.problem(`day-9.${expires}.${code}`, CLAIM, 0)).toMatch(/not known: day-9/);
  });
});

describe('a chunk server', () => {
  const caller = (key: string, peer = false): Caller => ({
    name: key,
    key,
    refusal: (operation, resource) => (peer && operation === 'peer' && resource === 'pangu://local/' ? undefined : 'no'),
    ended: () => undefined,
  });

  it('lets its peers do anything, and others what they have a ticket for', () => {
    const tickets = ticketsOf('day-1');
    const fetchKeys = () => expect.unreachable('all keys are known');
    const permission = new ChunkPermission({ cluster: 'local', tickets, fetchKeys, clock: new ManualClock(0) });
    const text = tickets.make(CLAIM, 0);
    expect(permission.check(caller('chunk-server', true), 'write', 'c-1', undefined)).toBeUndefined();
    expect(permission.check(caller('alice'), 'read', 'c-1', text)).toBeUndefined();
    expect(() => permission.check(caller('bob'), 'read', 'c-1', text)).toThrow('NoTicket');
    expect(() => permission.check(caller('alice'), 'write', 'c-1', text)).toThrow('NoTicket');
    expect(() => permission.check(caller('alice'), 'read', 'c-1', undefined)).toThrow('NoTicket');
  });

  it('asks a master for a key that it does not know, once for all who wait, and not in a loop', async () => {
    const clock = new ManualClock(0);
    let asked = 0;
    const fetchKeys = async () => {
      asked++;
      return KEYS;
    };
    const permission = new ChunkPermission({ cluster: 'local', tickets: new Tickets(), fetchKeys, clock });
    const text = ticketsOf('day-2').make(CLAIM, 0);
    await Promise.all([permission.check(caller('alice'), 'read', 'c-1', text), permission.check(caller('alice'), 'read', 'c-1', text)]);
    expect(asked).toBe(1);
    const unknown = text.replace('day-2', 'day-9');
    await expect(permission.check(caller('alice'), 'read', 'c-1', unknown)).rejects.toThrow('not known');
    expect(asked).toBe(1);
    clock.advance(1_000);
    await expect(permission.check(caller('alice'), 'read', 'c-1', unknown)).rejects.toThrow('not known');
    expect(asked).toBe(2);
  });
});
