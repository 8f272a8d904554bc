import { OPS, XIDS } from '../../../../services/nuwa/zookeeper/protocol.ts';
import type { Writer } from '../../../../services/nuwa/zookeeper/wire.ts';
import {
  type AclEntry,
  AUTH,
  aclAndStat,
  addWatch,
  auth,
  check,
  create,
  dataAndStat,
  digestOf,
  error,
  names,
  namesAndStat,
  OPEN,
  path,
  Speaker,
  set,
  setAcl,
  stat,
  whoAmI,
} from './speaker.ts';

/**
 * One conversation that goes through the whole protocol, held with any server that speaks it. What the server says is written down as lines from which
 * is left out what no two servers share: numbers of sessions, times, and zxids, of which only the order is told. So two servers that answer alike give
 * the same lines.
 */
export async function converse(address: string, lines: string[] = []): Promise<string[]> {
  const a = new Speaker('a', address, lines);
  const b = new Speaker('b', address, lines);
  await a.open();
  await b.open();
  for (const topic of [
    nodes,
    modes,
    versions,
    watches,
    persistentWatches,
    comingBack,
    transactions,
    manyReads,
    acls,
    watchesAndAcls,
    noValues,
    paths,
    systemNodes,
    oddities,
  ]) {
    lines.push('', `# ${topic.name}`);
    await topic(a, b);
  }
  lines.push('', '# end');
  await a.say('closeSession', OPS.closeSession);
  await a.zk.closed;
  await b.say('exists /mine', OPS.exists, path('/mine', false));
  b.zk.end();
  return lines;
}

async function nodes(a: Speaker, b: Speaker): Promise<void> {
  await a.create('/n', 'one');
  await a.create('/n', 'again');
  await a.create('/not/there', '');
  await a.create('/', '');
  await a.create('/n/x', '', { op: OPS.create2 });
  await b.say('getData /n', OPS.getData, path('/n', false), dataAndStat);
  await b.say('exists /n/x', OPS.exists, path('/n/x', false), stat);
  await b.say('exists /no', OPS.exists, path('/no', false), stat);
  await b.say('getData /no', OPS.getData, path('/no', false), dataAndStat);
  await b.say('getChildren /n', OPS.getChildren, path('/n', false), names);
  await b.say('getChildren /no', OPS.getChildren, path('/no', false), names);
  await b.say('getChildren2 /n', OPS.getChildren2, path('/n', false), namesAndStat);
  await a.create('/n/y', '');
  await b.say('getAllChildrenNumber /n', OPS.getAllChildrenNumber, path('/n'), (reader) => String(reader.int()));
  await b.say('getAllChildrenNumber /no', OPS.getAllChildrenNumber, path('/no'), (reader) => String(reader.int()));
  await a.delete('/n');
  await a.delete('/n/x');
  await a.delete('/n/x');
  await a.delete('/n/y', 3);
  await a.delete('/n/y', 0);
  await b.say('exists /n', OPS.exists, path('/n', false), stat);
  await a.say('sync /n', OPS.sync, path('/n'), (reader) => reader.string());
  await a.say('sync /no', OPS.sync, path('/no'), (reader) => reader.string());
}

async function modes(a: Speaker, b: Speaker): Promise<void> {
  await a.create('/m', '');
  await a.create('/m/seq-', '', { flags: 2 });
  await a.create('/m/seq-', '', { flags: 2 });
  await a.create('/m/eph', 'e', { flags: 1, op: OPS.create2 });
  await a.create('/m/eph/child', '');
  await a.create('/q', '');
  await a.create('/q/', '', { flags: 3 });
  await b.say('exists /m/eph', OPS.exists, path('/m/eph', false), stat);
  await a.say('exists /m/eph', OPS.exists, path('/m/eph', false), stat);
  await a.create('/m/container', '', { flags: 4, op: OPS.createContainer });
  await a.say('exists /m/container', OPS.exists, path('/m/container', false), stat);
  await a.create('/m/ttl', '', { flags: 5, op: OPS.createTtl, ttlMs: 60_000 });
  await a.say('exists /m/ttl', OPS.exists, path('/m/ttl', false), stat);
  await a.create('/m/ttl-', '', { flags: 6, op: OPS.createTtl, ttlMs: 60_000 });
  await a.create('/m/bad', '', { flags: 5, op: OPS.createTtl, ttlMs: 0 });
  await a.create('/m/bad', '', { flags: 5, op: OPS.createTtl, ttlMs: -5 });
  await a.create('/m/bad', '', { flags: 99 });
  await a.create('/mine', '', { flags: 1 });
  await a.say('getEphemerals /m', OPS.getEphemerals, path('/m'), names);
  await a.say('getEphemerals /', OPS.getEphemerals, path('/'), names);
  await b.say('getEphemerals /', OPS.getEphemerals, path('/'), names);
}

async function versions(a: Speaker): Promise<void> {
  await a.create('/v', '');
  await a.set('/v', '1');
  await a.set('/v', '2', 1);
  await a.set('/v', '3', 1);
  await a.set('/no', '');
  await a.say('check /v 1', OPS.check, check('/v', 1));
  await a.create('/v/c', '');
  await a.say('exists /v', OPS.exists, path('/v', false), stat);
}

async function watches(a: Speaker, b: Speaker): Promise<void> {
  await a.create('/w', '');
  await a.say('getData /w watched', OPS.getData, path('/w', true), dataAndStat);
  await b.set('/w', '1');
  await b.set('/w', '2');
  await a.hear();
  await a.say('exists /w/later watched', OPS.exists, path('/w/later', true), stat);
  await a.say('getChildren /w watched', OPS.getChildren, path('/w', true), names);
  await b.create('/w/later', '');
  await b.create('/w/more', '');
  await a.hear();
  await a.say('exists /w watched', OPS.exists, path('/w', true), stat);
  await a.say('getChildren2 /w watched', OPS.getChildren2, path('/w', true), namesAndStat);
  await a.say('getChildren2 /w/more watched', OPS.getChildren2, path('/w/more', true), namesAndStat);
  await b.delete('/w/more');
  await b.delete('/w/later');
  await b.delete('/w');
  await a.hear();
  await a.say('getData /w watched', OPS.getData, path('/w', true), dataAndStat);
  await b.create('/w', '');
  await a.hear();
}

async function persistentWatches(a: Speaker, b: Speaker): Promise<void> {
  await a.create('/p', '');
  await a.say('addWatch /p persistent', OPS.addWatch, addWatch('/p', 0), error);
  await b.set('/p', '1');
  await b.create('/p/x', '');
  await b.set('/p/x', '1');
  await b.delete('/p/x');
  await a.hear();
  await a.say('checkWatches /p any', OPS.checkWatches, check('/p', 3));
  await a.say('checkWatches /no any', OPS.checkWatches, check('/no', 3));
  await a.say('removeWatches /p any', OPS.removeWatches, check('/p', 3));
  await a.say('removeWatches /p any', OPS.removeWatches, check('/p', 3));
  await b.set('/p', '2');
  await a.hear();
  await a.say('addWatch /p recursive', OPS.addWatch, addWatch('/p', 1), error);
  await b.set('/p', '3');
  await b.create('/p/x', '');
  await b.create('/p/x/y', '');
  await b.set('/p/x/y', '1');
  await b.delete('/p/x/y');
  await b.delete('/p/x');
  await b.delete('/p');
  await a.hear();
  await b.create('/p', '');
  await a.hear();
  await a.say('addWatch /p 9', OPS.addWatch, addWatch('/p', 9), error);
  await a.say('removeWatches /p any', OPS.removeWatches, check('/p', 3));
  await a.say('getChildren /p watched', OPS.getChildren, path('/p', true), names);
  await a.say('checkWatches /p data', OPS.checkWatches, check('/p', 2));
  await a.say('checkWatches /p children', OPS.checkWatches, check('/p', 1));
  await a.say('removeWatches /p children', OPS.removeWatches, check('/p', 1));
}

async function comingBack(a: Speaker, b: Speaker): Promise<void> {
  await a.create('/s', '');
  await a.create('/s/kept', '');
  await a.create('/s/gone', '');
  const { zxid } = await a.zk.get('/s');
  await b.set('/s', 'changed');
  await b.delete('/s/gone');
  await b.create('/s/new', '');
  const lists = [['/s', '/s/kept', '/s/gone'], ['/s/new', '/s/never'], ['/s', '/s/kept', '/s/gone'], ['/s/kept'], ['/s/new']];
  const body = (count: number) => (writer: Writer) => {
    writer.long(zxid);
    for (const list of lists.slice(0, count)) writer.vector(list, (each) => writer.string(each));
  };
  await a.say('setWatches', OPS.setWatches, body(3));
  await a.hear();
  await b.set('/s/kept', '1');
  await b.create('/s/never', '');
  await a.hear();
  await a.say('setWatches2', OPS.setWatches2, body(5));
  await a.hear();
  await b.create('/s/kept/child', '');
  await b.create('/s/new/child', '');
  await a.hear();
  await a.say('removeWatches /s/kept any', OPS.removeWatches, check('/s/kept', 3));
  await a.say('removeWatches /s/new any', OPS.removeWatches, check('/s/new', 3));
}

async function transactions(a: Speaker, b: Speaker): Promise<void> {
  await a.create('/t', '');
  const ops = (...each: [op: number, body: (writer: Writer) => void][]) => each;
  await a.multi(
    'create, create2, set, check, container, ttl, delete',
    ops(
      [OPS.create, create('/t/a', '1')],
      [OPS.create2, create('/t/b', '2', { flags: 1 })],
      [OPS.setData, set('/t/a', '3', 0)],
      [OPS.check, check('/t/a', 1)],
      [OPS.createContainer, create('/t/c', '', { flags: 4 })],
      [OPS.createTtl, create('/t/d', '', { flags: 5, ttlMs: 60_000 })],
      [OPS.delete, check('/t/b', -1)],
    ),
  );
  await b.say('getChildren2 /t', OPS.getChildren2, path('/t', false), namesAndStat);
  await a.multi(
    'the third fails',
    ops(
      [OPS.create, create('/t/e', '')],
      [OPS.setData, set('/t/a', '4', -1)],
      [OPS.check, check('/t/a', 9)],
      [OPS.delete, check('/t/a', -1)],
    ),
  );
  await a.multi('the first fails', ops([OPS.delete, check('/no', -1)], [OPS.create, create('/t/e', '')]));
  await a.multi('the last fails', ops([OPS.create, create('/t/e', '')], [OPS.create, create('/t/e', '')]));
  await a.multi('none', []);
  await b.say('getChildren2 /t', OPS.getChildren2, path('/t', false), namesAndStat);
}

async function manyReads(a: Speaker): Promise<void> {
  await a.create('/r', 'value');
  await a.create('/r/x', '');
  await a.multi(
    'reads',
    [
      [OPS.getData, path('/r', false)],
      [OPS.getChildren, path('/r', false)],
      [OPS.getData, path('/no', false)],
      [OPS.getChildren, path('/r/x', false)],
    ],
    OPS.multiRead,
  );
  await a.multi('no reads', [], OPS.multiRead);
}

async function acls(a: Speaker, b: Speaker): Promise<void> {
  await a.create('/acl', 's');
  await a.say('getACL /acl', OPS.getAcl, path('/acl'), aclAndStat);
  await a.say('getACL /no', OPS.getAcl, path('/no'), aclAndStat);
  await a.create('/auth', '', { acl: [AUTH] });
  await a.say('auth digest ann', OPS.auth, auth('digest', 'ann:secret'), undefined, XIDS.auth);
  await a.create('/auth', '', { acl: [AUTH] });
  await a.say('getACL /auth', OPS.getAcl, path('/auth'), aclAndStat);
  await b.say('getACL /auth', OPS.getAcl, path('/auth'), aclAndStat);
  await b.say('getData /auth', OPS.getData, path('/auth', true), dataAndStat);
  await b.say('getChildren /auth', OPS.getChildren, path('/auth', true), names);
  await b.say('getAllChildrenNumber /auth', OPS.getAllChildrenNumber, path('/auth'), (reader) => String(reader.int()));
  await b.set('/auth', 'x');
  await b.create('/auth/x', '');
  await a.create('/auth/x', '');
  await b.delete('/auth/x');
  await b.multi('refused', [
    [OPS.create, create('/t/z', '')],
    [OPS.setData, set('/auth', '', -1)],
  ]);
  await b.multi('refused', [[OPS.getData, path('/auth', false)]], OPS.multiRead);
  const mixed: AclEntry[] = [
    [1, 'world', 'anyone'],
    [31, 'digest', digestOf('ann', 'secret')],
    [1, 'world', 'anyone'],
  ];
  await a.say('setACL /auth 0', OPS.setAcl, setAcl('/auth', mixed, 0), stat);
  await a.say('setACL /auth 0', OPS.setAcl, setAcl('/auth', mixed, 0), stat);
  await a.say('getACL /auth', OPS.getAcl, path('/auth'), aclAndStat);
  await b.say('getACL /auth', OPS.getAcl, path('/auth'), aclAndStat);
  await b.say('getData /auth', OPS.getData, path('/auth', false), dataAndStat);
  await b.say('setACL /auth', OPS.setAcl, setAcl('/auth', OPEN, -1), stat);
  await b.say('auth digest ann', OPS.auth, auth('digest', 'ann:secret'), undefined, XIDS.auth);
  await b.set('/auth', 'mine too');
  for (const acl of [[], [[31, 'world', 'nobody']], [[31, 'digest', 'nocolon']], [[31, 'unheard', 'of']]] as AclEntry[][])
    await a.create('/badacl', '', { acl });
  await a.say('setACL /acl none', OPS.setAcl, setAcl('/acl', [], -1), stat);
  await a.say('whoAmI', OPS.whoAmI, () => {}, whoAmI);
  const c = new Speaker('c', a.address, a.lines);
  await c.open();
  await c.say('whoAmI', OPS.whoAmI, () => {}, whoAmI);
  await c.say('auth unheard', OPS.auth, auth('unheard', 'of'), undefined, XIDS.auth);
  await c.zk.closed;
  a.lines.push('c: after auth unheard -> is closed');
}

async function watchesAndAcls(a: Speaker, b: Speaker): Promise<void> {
  const c = new Speaker('c', a.address, a.lines);
  await c.open();
  await a.create('/wa', '');
  await c.say('addWatch /wa recursive', OPS.addWatch, addWatch('/wa', 1), error);
  await a.create('/wa/open', '');
  await a.create('/wa/secret', '', { acl: [AUTH] });
  await a.set('/wa/secret', '1');
  await a.create('/wa/secret/open', '');
  await c.hear();
  await c.say('exists /wa/secret watched', OPS.exists, path('/wa/secret', true), stat);
  await c.say('exists /wa/later watched', OPS.exists, path('/wa/later', true), stat);
  await c.say('addWatch /wa/secret persistent', OPS.addWatch, addWatch('/wa/secret', 0), error);
  await a.set('/wa/secret', '2');
  await a.create('/wa/later', '', { acl: [AUTH] });
  await a.delete('/wa/secret/open');
  await a.delete('/wa/secret');
  await a.delete('/wa/open');
  await c.hear();
  await b.say('exists /wa', OPS.exists, path('/wa', false), stat);
  await c.say('closeSession', OPS.closeSession);
}

async function noValues(a: Speaker): Promise<void> {
  await a.create('/none', undefined);
  await a.say('getData /none', OPS.getData, path('/none', false), dataAndStat);
  await a.set('/none', '');
  await a.say('getData /none', OPS.getData, path('/none', false), dataAndStat);
  await a.set('/none', undefined);
  await a.say('getData /none', OPS.getData, path('/none', false), dataAndStat);
  await a.create('/none/seq-', undefined, { flags: 2, op: OPS.create2 });
  await a.multi('none', [
    [OPS.create, create('/none/x', undefined)],
    [OPS.setData, set('/none', undefined, -1)],
  ]);
  await a.say('getData /none/x', OPS.getData, path('/none/x', false), dataAndStat);
}

/** The first and the last of each range of units that names do not have, and those that stand beside the ranges. */
const UNITS_REFUSED = [0x0, 0x1, 0x1f, 0x7f, 0x9f, 0xe000, 0xf8ff, 0xfff0, 0xffff];
const UNITS_TAKEN = [0x20, 0x7e, 0xa0, 0xd7ff, 0xf900, 0xffef];

async function paths(a: Speaker): Promise<void> {
  await a.create('/path', '');
  for (const unit of [...UNITS_REFUSED, ...UNITS_TAKEN]) await a.create(`/path/${String.fromCharCode(unit)}`, '');
  await a.create('/path/\u{1f600}', '');
  await a.create('/path/\x01/x', '');
  await a.create('/path/\x01', '', { flags: 2 });
  for (const odd of ['/path/', '//path', '/path//x', '/path/.', '/path/..', '/path/./x', '/path/...', '/path/.x', '/./path', '', 'path']) {
    await a.create(odd, '');
    await a.set(odd, '');
    await a.delete(odd);
    await a.say(`exists ${JSON.stringify(odd)}`, OPS.exists, path(odd, false), stat);
    await a.say(`getData ${JSON.stringify(odd)}`, OPS.getData, path(odd, false), dataAndStat);
    await a.say(`getChildren ${JSON.stringify(odd)}`, OPS.getChildren, path(odd, false), names);
  }
}

async function systemNodes(a: Speaker): Promise<void> {
  for (const at of ['/zookeeper', '/zookeeper/config', '/zookeeper/quota', '/zookeeper/other']) {
    await a.say(`exists ${at}`, OPS.exists, path(at, true), stat);
    await a.say(`getData ${at}`, OPS.getData, path(at, true), dataAndStat);
    await a.say(`getChildren2 ${at}`, OPS.getChildren2, path(at, true), namesAndStat);
    await a.say(`getACL ${at}`, OPS.getAcl, path(at), aclAndStat);
    await a.say(`getAllChildrenNumber ${at}`, OPS.getAllChildrenNumber, path(at), (reader) => String(reader.int()));
    await a.delete(at);
    await a.create(at, '');
    await a.set(at, 'x');
    await a.create(`${at}/x`, '');
  }
  const names = await a.zk.request(OPS.getChildren, path('/', false));
  a.lines.push(`a: is zookeeper a child of / -> ${names.body.vector(() => names.body.string()).includes('zookeeper')}`);
}

async function oddities(a: Speaker): Promise<void> {
  await a.create('/n', '');
  await a.create('/n/飞天', '天');
  await a.say('getChildren /n', OPS.getChildren, path('/n', false), names);
  await a.delete('/n/飞天');
  await a.delete('/');
  await a.say('exists /', OPS.exists, path('/', false), (reader) => (stat(reader, a) ? 'there' : ''));
  await a.say('ping', OPS.ping, () => {}, undefined, XIDS.ping);
  const c = new Speaker('c', a.address, a.lines);
  await c.open();
  await c.say('request 77', 77);
  const more = c.zk.request(OPS.sync, path('/')).then(
    () => 'goes on',
    () => 'is closed',
  );
  a.lines.push(`c: after request 77 -> ${await more}`);
  c.zk.end();
}
