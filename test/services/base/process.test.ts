import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { isSameProcess, killProcessGroup, processStartTime, sendSignal } from '../../../services/base/process.ts';

test('a process has one start time as long as it lives, and none afterwards', async () => {
  const child = spawn('sleep', ['60']);
  const startTime = await processStartTime(child.pid!);
  expect(startTime).toBeDefined();
  expect(await processStartTime(child.pid!)).toBe(startTime);
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
  expect(await processStartTime(child.pid!)).toBeUndefined();
  expect(await isSameProcess(child.pid!, startTime!)).toBe(false);
});

test('a pid with another start time is another process, and is left alone', async () => {
  const child = spawn('sleep', ['60'], { detached: true });
  expect(await killProcessGroup(child.pid!, 'another')).toBe(false);
  expect(await isSameProcess(child.pid!, (await processStartTime(child.pid!))!)).toBe(true);
  const ended = once(child, 'exit');
  expect(await killProcessGroup(child.pid!, (await processStartTime(child.pid!))!)).toBe(true);
  await ended;
});

test('a group is killed whole, also when its leader is gone already', async () => {
  const leader = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const startTime = (await processStartTime(leader.pid!))!;
  const [line] = await once(leader.stdout, 'data');
  const member = Number(line);
  const memberStart = (await processStartTime(member))!;
  const ended = once(leader, 'exit');
  leader.kill('SIGKILL');
  await ended;
  expect(await isSameProcess(member, memberStart)).toBe(true);
  expect(await killProcessGroup(leader.pid!, startTime)).toBe(true);
  await expect.poll(() => isSameProcess(member, memberStart)).toBe(false);
});

test('a zombie is no process any more', async () => {
  // The child ends when its parent has become `sleep`, which never asks how.
  const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(parent.stdout, 'data');
  await expect.poll(() => processStartTime(Number(line))).toBeUndefined();
  expect(sendSignal(Number(line), 0)).toBe(true);
  const ended = once(parent, 'exit');
  parent.kill('SIGKILL');
  await ended;
});

test('signals to nobody are answered with false', async () => {
  const child = spawn('true');
  await once(child, 'exit');
  expect(sendSignal(child.pid!, 'SIGTERM')).toBe(false);
  expect(await processStartTime(0)).toBeUndefined();
  expect(await processStartTime(Number.NaN)).toBeUndefined();
});
