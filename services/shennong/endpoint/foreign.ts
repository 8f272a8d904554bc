/**
 * Metrics that somebody else in this process counts, in a registry of his own: each source gives them as Prometheus text, and `/metrics`
 * answers with them behind its own.
 */
const sources = new Set<() => Promise<string>>();

export function addForeignMetrics(read: () => Promise<string>): void {
  sources.add(read);
}

/** A source that fails is left out: what the others tell is worth having. */
export async function readForeignMetrics(onError: (error: unknown) => void): Promise<string> {
  const texts = await Promise.all(
    [...sources].map((read) =>
      read().catch((error) => {
        onError(error);
        return '';
      }),
    ),
  );
  return texts.join('');
}
