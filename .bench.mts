import { schedule } from './services/fuxi/core/pool-schedule.ts';
import { ask, grants, poolOf } from './test/services/fuxi/master/pool-builders.ts';
const pool = poolOf(Object.fromEntries(Array.from({length: 5000}, (_, i) => [`node-${i}`, 8])));
for (let i = 0; i < 50; i++) ask(pool, `task-${i}`, { want: 200, prefer: { [`node-${i}`]: 8 } });
let t = performance.now();
const n = Object.values(grants(schedule(pool))).flat().length;
console.log(n, 'grants', (performance.now() - t).toFixed(0), 'ms');
t = performance.now(); let k = 0;
for (let i = 50; i < 250; i++) { ask(pool, `task-${i}`, { want: 2 }); k += Object.values(grants(schedule(pool))).flat().length; }
console.log(k, 'small grants', ((performance.now() - t)/200).toFixed(2), 'ms each exchange');
