import { activityInfo, heartbeat } from '@temporalio/activity';
import { hasCode } from '../../services/base/errors.ts';
import type { SplitsFile } from '../../services/fuxi/contract.ts';
import { JOBS_DIRECTORY, jobDirectory, taskDirectory } from '../../services/fuxi/contract.ts';
import type { FileSource, Job, Task } from '../../services/fuxi/core/document.ts';
import { INSTANCES_MAX } from '../../services/fuxi/core/document.ts';
import type { PlannedJob, PlannedTask } from '../../services/fuxi/core/planned-job.ts';
import { type InputFile, planSplits, RANGES_MAX, sizeOfSplits } from '../../services/fuxi/core/splits.ts';
import { type PanguClient, PanguError } from '../../services/pangu/contract.ts';
import { checkSubmitter } from './check-submitter.ts';
import { explainPangu, refuse } from './failures.ts';
import type { FuxiServices } from './services.ts';

/**
 * Finds a job's input files, cuts them into splits, makes its private directories and checks that its destinations are free.
 * Run again it does the same again.
 * Where the cluster asks who submits, that comes first: nothing is looked at for who may not see it.
 * Failures: SubmitterUnknown, PermissionDenied, InputNotFound, InputCorrupt, OutputExists, InvalidJob (too many instances, another cluster's paths), StorageFailed.
 */
export function createPlanJob(services: FuxiServices) {
  return async function planJob({ runId, job }: { runId: string; job: Job }): Promise<PlannedJob> {
    const { pangu, submitters } = services;
    if (submitters) await checkSubmitter(submitters, job, activityInfo().workflowExecution!.workflowId, Date.now());
    try {
      for (const name of job.order) await assertDestinationIsFree(pangu, job.tasks[name]!);
      await pangu.mkdir(JOBS_DIRECTORY, { recursive: true });
      await pangu.mkdir(jobDirectory(runId), { recursive: true });
      const tasks: Record<string, PlannedTask> = {};
      for (const name of job.order) {
        await pangu.mkdir(taskDirectory(runId, name), { recursive: true });
        tasks[name] = await planTask(services, runId, job.tasks[name]!);
        heartbeat(name);
      }
      return { tasks };
    } catch (error) {
      throw explainPangu(error, 'planning');
    }
  };
}

async function planTask(services: FuxiServices, runId: string, task: Task): Promise<PlannedTask> {
  const none = { bytes: [], preferred: [], nodes: [], inputBytes: 0, inputFiles: 0 };
  if (task.input.kind === 'none') return { ...none, instances: task.instances === 'auto' ? 1 : task.instances };
  if (task.input.kind === 'shuffle')
    return { ...none, instances: task.instances === 'auto' ? await containersThatFit(services, task) : task.instances };

  const files = await inputFiles(services.pangu, task, task.input.sources);
  const { format } = task.input;
  if (format.kind === 'fixed') {
    const odd = files.find((file) => file.size % format.bytes !== 0);
    if (odd) throw refuse('InputCorrupt', `${odd.path} has ${odd.size} bytes, not a multiple of the record length ${format.bytes}`);
  }
  const { instancesMin, rangesMax } = sizeOfSplits(files, task.instances);
  if (instancesMin > INSTANCES_MAX) throw tooMany(task, `${instancesMin} instances`, INSTANCES_MAX);
  if (rangesMax > RANGES_MAX) throw tooMany(task, `${rangesMax} splits`, RANGES_MAX);
  const { splits, ...planned } = planSplits(files, task.instances);
  if (splits.instances.length > INSTANCES_MAX) throw tooMany(task, `${splits.instances.length} instances`, INSTANCES_MAX);
  const path = `${taskDirectory(runId, task.name)}/splits.json`;
  await services.pangu.writeFile(path, JSON.stringify(splits satisfies SplitsFile));
  const inputBytes = files.reduce((sum, file) => sum + file.size, 0);
  return { ...planned, instances: splits.instances.length, splits: path, inputBytes, inputFiles: files.length };
}

function tooMany(task: Task, what: string, max: number): Error {
  return refuse('InvalidJob', `task ${task.name} would have ${what}; at most ${max} are allowed: set "splitBytes" or "instances"`);
}

async function inputFiles(pangu: PanguClient, task: Task, sources: FileSource[]): Promise<InputFile[]> {
  const files: InputFile[] = [];
  for (const { filePattern, splitBytes } of sources) {
    const found = await pangu.glob(filePattern).catch((error) => {
      throw hasCode(error, 'ENOENT', 'ENOTDIR', 'EINVAL', 'ENAMETOOLONG')
        ? refuse('InputNotFound', `task ${task.name}: ${filePattern} can't be read: ${error.reason}`, { cause: error })
        : error;
    });
    if (found.length === 0) throw refuse('InputNotFound', `task ${task.name}: no file matches ${filePattern}`);
    for (const { path, size, chunkBytes } of found) {
      const located = size > 0 ? await pangu.locate(path) : [];
      files.push({
        path,
        size,
        splitBytes: splitBytes ?? chunkBytes,
        chunks: located.map(({ offset, length, nodes }) => ({ offset, length, nodes })),
      });
      heartbeat(path);
    }
  }
  return files;
}

async function assertDestinationIsFree(pangu: PanguClient, task: Task): Promise<void> {
  if (task.output.kind !== 'files' || task.output.overwrite) return;
  const { directory } = task.output;
  try {
    await pangu.stat(directory);
  } catch (error) {
    if (error instanceof PanguError && error.code === 'ENOENT') return;
    throw error;
  }
  throw refuse('OutputExists', `${directory} exists already; remove it, or set "overwrite": true beside its filePattern`);
}

/** Each instance before a shuffle writes a piece for each after it: more of them cost more than they bring, unless somebody asked for them. */
const AUTO_INSTANCES_MAX = 500;

/** As many instances as could run at once, so that a shuffle without a given width uses the whole cluster. */
async function containersThatFit({ fuxiMaster }: FuxiServices, task: Task): Promise<number> {
  const { nodes } = await fuxiMaster.nodes({});
  const fit = nodes.map(({ cpu, memoryMiB }) => Math.floor(Math.min(cpu / task.resources.cpu, memoryMiB / task.resources.memoryMiB)));
  const together = fit.reduce((sum, count) => sum + count, 0);
  return Math.min(AUTO_INSTANCES_MAX, Math.max(1, together));
}
