/** What Linux tells of a machine in /proc, as far as we tell it on. Undefined where the text is another one, or none. */

/** Of `/proc/meminfo`: what programs can get without swapping, which is more than what is free, since the file cache gives way. */
export function memAvailableBytes(meminfo: string): number | undefined {
  const [, kib] = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo) ?? [];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Of `/proc/net/dev`, over all interfaces: `name: <bytes in> <7 more> <bytes out> <7 more>` below two lines of titles. */
export function networkBytes(netDev: string): { in: number; out: number } | undefined {
  const lines = netDev.split('\n').filter((line) => line.includes(':'));
  if (lines.length === 0) return undefined;
  const sum = { in: 0, out: 0 };
  for (const line of lines) {
    const figures = line
      .slice(line.indexOf(':') + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    sum.in += figures[0] ?? 0;
    sum.out += figures[8] ?? 0;
  }
  return sum;
}
