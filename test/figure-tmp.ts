/** One of four nodes with 20 files of 64 MiB on them dies: time to full redundancy, bytes copied per byte lost, latency of readers and writers before and meanwhile. */
import { randomBytes } from 'node:crypto';
import { startPanguCluster } from '/work/wt/ph/test/helpers/pangu-cluster.ts';
import { masterService } from '/work/wt/ph/services/pangu/master-contract.ts';
import { fsck } from '/work/wt/ph/services/pangu/client.ts';
const MIB = 1024 * 1024;
const cluster = await startPanguCluster({ processes: ['pangu-chunk'], control: { watchMs: 200, mendMs: 200 } });
const master = cluster.cluster.kuafu.service(masterService, 'nuwa://test/pangu-master/');
const rate = Number(process.env.RATE ?? 200) * MIB;
await master.setHealing({ settings: { deadAfterMs: 3_600_000, repairBytesPerSecond: rate } });
const bytes = randomBytes(64 * MIB);
for (let i = 0; i < 20; i++) await cluster.pangu.writeFile(`/file-${i}`, bytes, { replicas: 3 });
const { bytes: lost } = (await master.servers({})).servers.find(({ node }) => node === 'n2')!;
const quantile = (all: number[], q: number) => all.sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * q))]!;
let stop = false;
async function foreground(until: () => boolean) {
  const reads: number[] = []; const writes: number[] = [];
  let n = 0;
  const file = await cluster.pangu.open('/file-3', 'r');
  while (!until()) {
    let t = performance.now();
    await file.read((n * 7919 * 4096) % (60 * MIB), 4096);
    reads.push(performance.now() - t);
    t = performance.now();
    await cluster.pangu.writeFile(`/small-${n++}`, bytes.subarray(0, 4096), { replicas: 3 });
    writes.push(performance.now() - t);
    await new Promise((r) => setTimeout(r, 5));
  }
  await file.close();
  return { n, read: { p50: quantile(reads, 0.5), p99: quantile(reads, 0.99) }, write: { p50: quantile(writes, 0.5), p99: quantile(writes, 0.99) } };
}
await cluster.killChunkServer('n2');
await new Promise((r) => setTimeout(r, 8_000)); // the session of the dead one ends; clients have learnt of it
const endAt = performance.now() + 8_000;
const before = await foreground(() => performance.now() > endAt);
await master.setHealing({ settings: { deadAfterMs: 1 } });
const t0 = performance.now();
const meanwhile = foreground(() => stop);
for (;;) {
  const { missed } = await master.controlState({});
  if (missed[0]?.deadAtMs && (await master.lacking({ limit: 1 })).chunks === 0) break;
  await new Promise((r) => setTimeout(r, 100));
}
const tookMs = performance.now() - t0;
stop = true;
const during = await meanwhile;
const made = (await master.ledger({ kinds: ['replicaMade'], limit: 5000 })).entries;
const copied = made.filter((e) => e.bytes > 4096).reduce((s, e) => s + e.bytes, 0);
const report = await fsck(cluster.cluster.kuafu, 'test', {});
console.log(JSON.stringify({ rateMiB: rate / MIB, lostMiB: lost / MIB, copiedMiB: copied / MIB, ratio: copied / lost, tookS: tookMs / 1000, MiBps: copied / MIB / (tookMs / 1000), before, during, clean: report.clean }, null, 1));
await cluster.stop();
