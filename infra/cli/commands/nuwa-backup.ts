import type { Command } from 'commander';

export function registerBackup(_nuwa: Command): void {}
