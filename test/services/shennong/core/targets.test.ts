import { describe, expect, test } from 'vitest';
import { parseFixedTargets, targetGroups } from '../../../../services/shennong/core/targets.ts';

describe('targets', () => {
  test('carry role, node and rack, and their own address as instance', () => {
    const processes = [{ address: 'http://10.0.0.2:9100', node: 'node-2', rack: 'rack-a', attributes: { role: 'tubo' } }];
    expect(targetGroups(processes, [])).toEqual([
      { targets: ['10.0.0.2:9100'], labels: { role: 'tubo', node: 'node-2', rack: 'rack-a', instance: '10.0.0.2:9100' } },
    ]);
  });

  test('of processes that belong to no machine have no node', () => {
    expect(targetGroups([{ address: 'http://h:1', attributes: { role: 'worker' } }], [])[0]!.labels).toEqual({
      role: 'worker',
      instance: 'h:1',
    });
  });

  test('come in the same order whatever the order of the processes', () => {
    const processes = [2, 1, 3].map((n) => ({
      address: `http://h:${n}`,
      node: `node-${n}`,
      attributes: { role: n === 3 ? 'nuwa' : 'tubo' },
    }));
    const fixed = [{ targets: ['t:1'] as [string], labels: { role: 'temporal' } }];
    const order = targetGroups(processes, fixed).map(({ targets }) => targets[0]);
    expect(order).toEqual(['h:3', 't:1', 'h:1', 'h:2']);
    expect(targetGroups(processes.toReversed(), fixed).map(({ targets }) => targets[0])).toEqual(order);
  });
});

describe('targets of others', () => {
  test('are read from one line', () => {
    expect(parseFixedTargets('temporal=127.0.0.1:9233, postgres=db.test:9187,')).toEqual([
      { targets: ['127.0.0.1:9233'], labels: { role: 'temporal', instance: '127.0.0.1:9233' } },
      { targets: ['db.test:9187'], labels: { role: 'postgres', instance: 'db.test:9187' } },
    ]);
    expect(parseFixedTargets('')).toEqual([]);
  });

  test.each(['127.0.0.1:9233', 'temporal=', 'temporal=host', 'temporal=http://h:1', 'Temporal=h:1', '=h:1'])(
    '%j is refused by name',
    (text) => {
      expect(parseFixedTargets(text)).toBe(`"${text}" is not <role>=<host>:<port>`);
    },
  );
});
