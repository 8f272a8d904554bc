import type { Logger } from '../../base/log.ts';
import { KuafuError, type StreamContext } from '../contract.ts';
import { type PortRange, parsePlace, targetProblem } from '../core/proxy-route.ts';
import type { Channels, OpenChannel } from './channels.ts';
import { Farewell } from './farewell.ts';
import { connectDirectly } from './reach.ts';
import { join } from './side.ts';
import { StreamSide } from './stream-side.ts';

export interface FarOptions {
  /** Hosts of this machine, as it is registered: what may be opened from afar. */
  own: ReadonlySet<string>;
  ports: readonly PortRange[];
  channels: Channels;
  log: Logger;
}

/** What another proxy asks of this one: a channel to a process of this machine, for as long as it is open. */
export async function open({ address }: { address: string }, context: StreamContext<void, void>, options: FarOptions): Promise<void> {
  const { own, ports, channels, log } = options;
  const place = parsePlace(address);
  const problem = typeof place === 'string' ? place : targetProblem(place, own, ports);
  if (typeof place === 'string' || problem !== undefined) {
    log.warn({ address, reason: problem, caller: context.caller.name }, 'proxy.open.refused');
    throw new KuafuError('PermissionDenied', `the proxy does not open ${address}: ${problem}`, { details: { target: true } });
  }
  const target = await connectDirectly(place, context.signal);
  try {
    await context.send(undefined); // reached
    await new Promise<void>((resolve, reject) => {
      const way = new StreamSide({
        messages: context.incoming,
        send: (chunk) => context.send(undefined, chunk),
        end: resolve,
        break: (reason) => reject(new KuafuError('Unavailable', `${address}: ${reason}`)),
      });
      const farewell = new Farewell(way, { encrypted: place.scheme === 'tls' });
      const channel: OpenChannel = { cut: (reason) => way.break(reason) };
      channels.add(channel);
      target.closed.then(() => {
        channels.delete(channel);
        resolve();
      });
      join(farewell, target);
      channels.reached(channel, farewell);
    });
    target.end();
  } catch (error) {
    target.break();
    throw error;
  }
}
