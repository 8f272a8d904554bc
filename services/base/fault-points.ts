/**
 * Named points in what processes do at which a test may stop one, to see what becomes of the rest when it dies just there. Nothing but a test arms a point (test/helpers/run-role.ts), and
 * one that is not armed is a comparison.
 */
let armed: { name: string; reached: () => void } | undefined;

/** The next time that the point is reached, `reached` is called there, once. */
export function armFaultPoint(name: string, reached: () => void): void {
  armed = { name, reached };
}

export function faultPoint(name: string): void {
  if (armed?.name !== name) return;
  const { reached } = armed;
  armed = undefined;
  reached();
}
