import { afterAll, beforeAll, describe } from 'vitest';
import { openCluster, type TestCluster } from '../helpers/cluster.ts';
import { failuresSuite } from './failures.suite.ts';
import { screensSuite } from './screens.suite.ts';
import { wordCountSuite } from './word-count.suite.ts';

/** What one cluster can be asked one after another: nothing here kills a process or counts all that a cluster has done. */
describe('jobs of people', () => {
  let test: TestCluster;
  beforeAll(async () => {
    test = await openCluster({ nodes: 3 });
  }, 120_000);
  afterAll(() => test?.stop());

  const cluster = (): TestCluster => test;
  wordCountSuite(cluster);
  failuresSuite(cluster);
  screensSuite(cluster);
});
