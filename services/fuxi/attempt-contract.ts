/** One attempt of one instance, of all that there ever are. */
export interface AttemptPlace {
  runId: string;
  task: string;
  instance: number;
  attempt: number;
}

/** What the id of an attempt's token is made of: who gives the attempt up can revoke it without having seen it. */
export const attemptTokenParts = ({ runId, task, instance, attempt }: AttemptPlace): string[] => [
  'attempt',
  runId,
  task,
  String(instance),
  String(attempt),
];
