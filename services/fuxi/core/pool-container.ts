/**
 * A container's id tells where it came from: `<node>.i<incarnation of its Tubo>.e<epoch of the FuxiMaster>.<serial>`. So a FuxiMaster that
 * was restarted can judge a container it has never seen: is the Tubo it was granted on still the same, and was it my predecessor's
 * (then it is adopted) or mine and taken back meanwhile (then it is lost)?
 */
export interface ContainerOrigin {
  node: string;
  incarnation: string;
  epoch: number;
}

export function containerId({ node, incarnation, epoch }: ContainerOrigin, serial: number): string {
  return `${node}.i${incarnation}.e${epoch}.${serial}`;
}

const ID = /^(.+)\.i([^.]+)\.e(\d+)\.\d+$/;

/** `undefined` for an id that was not made here. */
export function containerOrigin(id: string): ContainerOrigin | undefined {
  const [, node, incarnation, epoch] = ID.exec(id) ?? [];
  return node === undefined ? undefined : { node, incarnation: incarnation!, epoch: Number(epoch) };
}
