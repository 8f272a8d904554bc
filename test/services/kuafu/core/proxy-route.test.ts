import { describe, expect, test } from 'vitest';
import { openingOf, parseOpening } from '../../../../services/kuafu/core/proxy-opening.ts';
import { byHost, type Place, parsePlace, parsePorts, routeOf, targetProblem } from '../../../../services/kuafu/core/proxy-route.ts';

const place = (address: string): Place => parsePlace(address) as Place;
const own = new Set(['10.0.0.1', 'one']);
const others = byHost([
  { machine: 'two', address: 'tcp://10.0.0.2:9', hosts: ['10.0.0.2', 'Two.'] },
  { machine: 'three', address: 'tcp://10.0.0.3:9', hosts: ['10.0.0.3', 'shared', '10.0.0.1'] },
  { machine: 'four', address: 'tcp://10.0.0.4:9', hosts: ['10.0.0.4', 'shared'] },
]);

describe('a channel goes', () => {
  test.each([
    ['tcp://10.0.0.2:7000', 'two'],
    ['tls://TWO:7000', 'two'],
    ['tcp://two.:7000', 'two'],
    ['tcp://10.0.0.3:1', 'three'],
    ['tcp://10.0.0.22:7000', 'direct'], // nobody's
    ['tcp://shared:7000', 'direct'], // claimed twice
    ['tcp://10.0.0.1:7000', 'direct'], // ours, whoever else says so
    ['tcp://one:7000', 'direct'],
  ])('to %s by way of %s', (address, way) => {
    const route = routeOf(place(address), own, others);
    expect(route.kind === 'proxy' ? route.machine : route.kind).toBe(way);
  });
});

describe('for another machine a proxy opens', () => {
  const ports = parsePorts('7000-7999, 9000')!;
  test.each(['tcp://10.0.0.1:7000', 'tls://one:7999', 'tcp://ONE:9000'])('%s', (address) => {
    expect(targetProblem(place(address), own, ports)).toBeUndefined();
  });

  test.each([
    ['tcp://10.0.0.2:7000', /not this machine/],
    ['tcp://127.0.0.1:7000', /not this machine/],
    ['tcp://localhost:7000', /not this machine/],
    ['tcp://[::1]:7000', /not this machine/],
    ['tcp://0.0.0.0:7000', /not this machine/],
    ['tcp://10.0.0.1:8000', /not open/],
    ['tcp://10.0.0.1:0', /port 0/],
  ])('%s not', (address, why) => {
    expect(targetProblem(place(address), own, ports)).toMatch(why);
  });
});

test.each(['unix:///run/a.sock', 'mem://a', 'nuwa://local/a/'])('%s is not for a proxy', (address) => {
  expect(parsePlace(address)).toMatch(/carries tcp/);
});

test.each(['', '1-', '9-8', '65536', 'a', '1,,2', '-5', '1.5'])('"%s" is no list of ports', (text) => {
  expect(parsePorts(text)).toBeUndefined();
});

test('an opening says whom it wants; anything else is told what is wrong with it', () => {
  expect(parseOpening(openingOf('tcp://a:1'))).toEqual({ address: 'tcp://a:1' });
  expect(parseOpening({ magic: 'kuafu', version: 2 })).toMatch(/proxy of the machine/);
  expect(parseOpening({ ...openingOf('a'), version: 9 })).toMatch(/version/);
  expect(parseOpening({ ...openingOf('a'), address: 7 })).toMatch(/no address/);
  for (const nonsense of [undefined, null, 7, 'kuafu-proxy', []]) expect(parseOpening(nonsense)).toMatch(/proxy of the machine/);
});
