import type { FileStat } from '../../../../services/pangu/contract.ts';
import type { Area } from './area.ts';
import { WrongAnswer } from './contents.ts';
import { below } from './tree.ts';

/** Steps that change or look at names. */
const TRASH = '/.trash/nobody';

export const NAME_STEPS: [weight: number, step: (area: Area) => Promise<void>][] = [
  [4, makeDirectory],
  [6, rename],
  [3, remove],
  [3, removeToTrash],
  [3, restore],
  [2, publish],
  [2, setAttribute],
  [2, removeAttribute],
  [2, lookAtAttributes],
  [2, setQuota],
  [3, list],
  [2, glob],
];

async function makeDirectory(area: Area): Promise<void> {
  const path = area.somePath();
  const recursive = area.chance(0.3);
  await area.change({ what: 'mkdir', path, recursive }, () => area.client().mkdir(area.at(path), { recursive }));
}

async function rename(area: Area): Promise<void> {
  const [from, to] = [area.somePath(), area.somePath()];
  await area.change({ what: 'rename', from, to }, () => area.client().rename(area.at(from), area.at(to)));
}

async function remove(area: Area): Promise<void> {
  const path = area.somePath();
  const as = area.pick(['file', 'one', 'tree'] as const);
  const client = area.client();
  await area.change({ what: 'remove', path, as }, () =>
    as === 'file'
      ? client.unlink(area.at(path), { skipTrash: true })
      : client.rm(area.at(path), { recursive: as === 'tree', skipTrash: true }),
  );
}

/** Something that has something in it, under a name that nothing had before, so that it is found there. */
async function removeToTrash(area: Area): Promise<void> {
  if (!area.possible.isCertain) return;
  const worth = [...area.possible.tree].filter(([path, { type }]) => type === 'file' || below(area.possible.tree, path).size > 1);
  const from = area.pick(worth.map(([path]) => path));
  if (from === '' || from === undefined) return;
  const path = `/t${area.newId()}`;
  if ((await area.change({ what: 'rename', from, to: path }, () => area.client().rename(area.at(from), area.at(path)))) !== 'done') return;
  const entries = below(area.possible.tree, path);
  const answer = await area.change({ what: 'remove', path, as: 'tree' }, () => area.client().rm(area.at(path), { recursive: true }));
  if (answer !== 'done') return;
  const { value: place } = await area.surely('look for trash', () => placeInTrash(area, path));
  if (place === undefined) throw new WrongAnswer(`${path} was removed, and is not in the trash`);
  area.trash.push({ place, entries });
}

async function placeInTrash(area: Area, path: string): Promise<string | undefined> {
  for await (const { path: bucket } of area.client().readdir(TRASH)) {
    const place = `${bucket}${area.at(path)}`;
    const { value } = await area.attempt('stat', () => area.client().stat(place));
    if (value) return place;
  }
  return undefined;
}

async function restore(area: Area): Promise<void> {
  const taken = area.trash.pop();
  if (!taken) return;
  const to = area.somePath();
  const answer = await area.change({ what: 'restore', to, entries: taken.entries }, () => area.client().rename(taken.place, area.at(to)));
  if (typeof answer === 'object') area.trash.unshift(taken);
}

async function publish(area: Area): Promise<void> {
  const files = area.files();
  if (files.length === 0) return;
  const sources = [...new Set([area.pick(files), area.pick(files)])];
  const directory = area.somePath();
  // What is replaced goes to nobody knows where with what is in it.
  if (sources.some((from) => from.startsWith(`${directory}/`) || directory.startsWith(`${from}/`))) return;
  const overwrite = area.chance(0.3);
  const published = sources.map((from, i) => ({ from, name: `p${i}` }));
  await area.change({ what: 'publish', directory, files: published, overwrite }, () =>
    area
      .client()
      .publish(`${area.root}-${area.newId()}`, [
        { directory: area.at(directory), files: published.map(({ from, name }) => ({ from: area.at(from), name })), overwrite },
      ]),
  );
}

async function setAttribute(area: Area): Promise<void> {
  const path = area.somePath();
  const [name, value] = [area.pick(['x', 'y']), String(area.random.int(1000))];
  await area.change({ what: 'setAttribute', path, name, value }, () => area.client().setAttribute(area.at(path), name, value));
}

async function removeAttribute(area: Area): Promise<void> {
  const path = area.pick([...area.possible.tree.keys()]);
  if (path === '') return;
  const name = area.pick(['x', 'y']);
  await area.change({ what: 'removeAttribute', path, name }, () => area.client().removeAttribute(area.at(path), name));
}

async function lookAtAttributes(area: Area): Promise<void> {
  const path = area.pick([...area.possible.tree.keys()]);
  const { value } = await area.attempt('attributes', () => area.client().attributes(area.at(path)));
  if (!value) return;
  const found = JSON.stringify([...value].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]));
  area.possible.seen(
    `the attributes ${found} of ${path}`,
    (tree) => JSON.stringify([...(tree.get(path)?.attributes ?? [])].sort()) === found,
  );
}

async function setQuota(area: Area): Promise<void> {
  const path = area.pick(area.directories());
  if (path === '') return;
  const filesMax = area.chance(0.5) ? undefined : 1 + area.random.int(4);
  await area.change({ what: 'setQuota', path, filesMax }, () =>
    area.client().setQuota(area.at(path), filesMax === undefined ? null : { files: filesMax }),
  );
}

async function list(area: Area): Promise<void> {
  await area.look(area.pick(area.directories()));
}

async function glob(area: Area): Promise<void> {
  const { value } = await area.attempt('glob', () => area.client().glob(`${area.root}/**`));
  if (!value) return;
  const found = paths(area, value);
  area.possible.seen(`the files ${found}`, (tree) => area.files(tree).sort().join(' ') === found);
}

function paths(area: Area, found: readonly FileStat[]): string {
  return found
    .map(({ path }) => path.slice(area.root.length))
    .sort()
    .join(' ');
}
