import { beforeEach, describe, expect, test } from 'vitest';
import { checkSubmitter } from '../../../activities/fuxi/check-submitter.ts';
import { jobChallenge } from '../../../activities/fuxi/job-challenge.ts';
import { type Job, parseJob } from '../../../services/fuxi/core/document.ts';
import { touchedBy } from '../../../services/fuxi/core/submission.ts';
import {
  createGuard,
  createKeyPair,
  identityOf,
  issue,
  NO_REVOCATIONS,
  parseCapability,
  trustOf,
} from '../../../services/zhongkui/client.ts';

const NOW_MS = Date.now();
const LATER_S = Math.floor(NOW_MS / 1000) + 3_600;
const DOCUMENT = {
  name: 'words',
  tasks: { map: { run: { command: ['cat'] }, package: 'pangu://local/pkg/a.tgz' } },
  pipes: [
    { source: { filePattern: 'pangu://local/in/2026/*.txt' }, destination: { accessPoint: 'map:input' } },
    { source: { accessPoint: 'map:output' }, destination: { filePattern: 'pangu://local/out/words/' } },
  ],
};
const ENOUGH = ['pangu://local/in/2026:read', 'pangu://local/pkg:read', 'pangu://local/out:write', 'fuxi://local/quota/default:run'];

const jobOf = (change: object = {}): Job => {
  const parsed = parseJob({ ...DOCUMENT, ...change });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.job;
};

const issuer = { cluster: 'local', keyPair: createKeyPair() };
const revocations = { ...NO_REVOCATIONS };
let guard: ReturnType<typeof createGuard>;
beforeEach(() => {
  guard = createGuard({ cluster: 'local', trust: trustOf([issuer.keyPair]), revocations });
});

async function holder(capabilities: readonly string[], by = issuer) {
  const keyPair = createKeyPair();
  const { token } = await issue(by, {
    name: 'user/alice',
    holder: keyPair,
    capabilities: capabilities.map(parseCapability),
    ttlMs: 600_000,
  });
  return identityOf({ keyPair, token });
}

async function signed(capabilities: readonly string[], { job = jobOf(), id = 'wf', expires = LATER_S, by = issuer } = {}): Promise<Job> {
  const { token, proof } = (await holder(capabilities, by)).present(jobChallenge('local', job, id, expires));
  return { ...job, submitter: { token, proof: Buffer.from(proof).toString('base64url'), expires } };
}

const outcome = (job: Job, workflowId = 'wf', nowMs = NOW_MS): Promise<string> =>
  checkSubmitter({ guard, cluster: 'local' }, job, workflowId, nowMs).then(
    () => 'OK',
    (error: { type: string; message: string; nonRetryable: boolean }) => {
      expect(error.nonRetryable).toBe(true);
      return `${error.type}: ${error.message}`;
    },
  );

describe('a job that says who submits it', () => {
  test('is planned when that one may touch all of it', async () => {
    expect(await outcome(await signed(ENOUGH))).toBe('OK');
  });

  test.each(ENOUGH)('is refused without %s', async (lacking) => {
    const [resource, operation] = [lacking.replace(/:\w+$/, ''), lacking.replace(/^.*:/, '')];
    expect(await outcome(await signed(ENOUGH.filter((each) => each !== lacking)))).toMatch(
      new RegExp(`^PermissionDenied: user/alice may not ${operation} ${resource}`),
    );
  });

  test('is not another job, under another id, or later', async () => {
    const job = await signed(ENOUGH);
    const other = jobOf({ tasks: { map: { run: { command: ['cat', '/etc/passwd'] } } } });
    const forged = /^SubmitterUnknown: .*signed by somebody else, for another job/;
    expect(await outcome({ ...other, submitter: job.submitter! })).toMatch(forged);
    expect(await outcome({ ...jobOf({ quotaGroup: 'gold' }), submitter: job.submitter! })).toMatch(forged);
    expect(await outcome({ ...job, submitter: { ...job.submitter!, expires: LATER_S + 1 } })).toMatch(forged);
    expect(await outcome(job, 'another')).toMatch(forged);
    expect(await outcome(job, 'wf', LATER_S * 1000)).toMatch(/^SubmitterUnknown: .* ended at/);
  });

  test('is not one that somebody signed whom nobody trusts', async () => {
    const by = { cluster: 'local', keyPair: createKeyPair() };
    expect(await outcome(await signed(ENOUGH, { by }))).toMatch(/^SubmitterUnknown: .*TokenForged/);
  });

  test('is not made of what its submitter shows to a server', async () => {
    const job = jobOf();
    // A server may choose the nonce, and without TLS that is all that there is.
    const { nonce } = jobChallenge('local', job, 'wf', LATER_S);
    const { token, proof } = (await holder(ENOUGH)).present({ cluster: 'local', nonce });
    const stolen = { ...job, submitter: { token, proof: Buffer.from(proof).toString('base64url'), expires: LATER_S } };
    expect(await outcome(stolen)).toMatch(/^SubmitterUnknown/);
  });

  test('waits while it cannot be told who was revoked', async () => {
    guard = createGuard({
      cluster: 'local',
      trust: trustOf([issuer.keyPair]),
      revocations: { ...NO_REVOCATIONS, freshUntilMs: Number.NEGATIVE_INFINITY },
    });
    await expect(checkSubmitter({ guard, cluster: 'local' }, await signed(ENOUGH), 'wf', NOW_MS)).rejects.toMatchObject({
      code: 'RevocationsStale',
    });
  });
});

test('a job that does not say who submits it is refused', async () => {
  expect(await outcome(jobOf())).toMatch(/^SubmitterUnknown: .*feitian job submit --sign/);
});

test.each([
  ['pangu://local/a/b.txt', 'pangu://local/a/b.txt'],
  ['pangu://local/a/*/b', 'pangu://local/a'],
  ['pangu://local/a/{b,c}', 'pangu://local/a'],
  ['pangu://local/a/[bc]/d', 'pangu://local/a'],
  ['pangu://local/a/!(b)', 'pangu://local/a'],
  ['pangu://local/*', 'pangu://local/'],
])('reading %s asks for %s', (filePattern, path) => {
  const [, out] = DOCUMENT.pipes;
  const job = jobOf({
    tasks: { map: { run: { command: ['cat'] } } },
    pipes: [{ source: { filePattern }, destination: { accessPoint: 'map:input' } }, out],
  });
  expect(touchedBy(job).filter(({ operation }) => operation === 'read')).toEqual([{ operation: 'read', path }]);
});
