import { hostname } from 'node:os';
import type { DoorShared } from './door.ts';

/** The four-letter words of ZooKeeper's administrators: a word instead of a connect request, an answer as text, the end. */
export function answerOf(word: string, door: DoorShared): string | undefined {
  switch (word) {
    case 'ruok':
      return door.group.writable ? 'imok' : 'This server cannot write its files.\n';
    case 'isro':
      return 'rw';
    case 'stat':
      return `${version()}${clients(door)}\n${facts(door)}`;
    case 'srvr':
      return `${version()}${facts(door)}`;
    case 'envi':
      return `Environment:\nzookeeper.version=${VERSION}, built on Nuwa\nhost.name=${hostname()}\nos.name=${process.platform}\n`;
    case 'cons':
      return clients(door);
    case 'mntr':
      return monitor(door);
    default:
      return undefined;
  }
}

/** The version of the protocol that is spoken here; clients look at its first two numbers. */
const VERSION = '3.8.0-feitian';

function version(): string {
  return `Zookeeper version: ${VERSION}, built on Nuwa\n`;
}

function clients({ connections }: DoorShared): string {
  const lines = [...connections].map(
    ({ peer, outstanding, received }) => ` /${peer}[1](queued=${outstanding},recved=${received},sent=${received})\n`,
  );
  return `Clients:\n${lines.join('')}`;
}

function facts(door: DoorShared): string {
  const { state } = door.group;
  return [
    'Latency min/avg/max: 0/0.0/0',
    `Received: ${received(door)}`,
    `Sent: ${door.sent}`,
    `Connections: ${door.connections.size}`,
    `Outstanding: ${outstanding(door)}`,
    `Zxid: 0x${state.revision.toString(16)}`,
    `Mode: ${modeOf(door)}`,
    `Node count: ${state.nodes + 1}`,
    '',
  ].join('\n');
}

function monitor(door: DoorShared): string {
  const { group, watches, connections } = door;
  const { state } = group;
  let ephemerals = 0;
  for (const session of state.sessions.values()) ephemerals += session.ephemerals.size;
  const values: Record<string, string | number> = {
    zk_version: VERSION,
    zk_server_state: modeOf(door),
    zk_packets_received: received(door),
    zk_packets_sent: door.sent,
    zk_num_alive_connections: connections.size,
    zk_outstanding_requests: outstanding(door),
    zk_znode_count: state.nodes + 1,
    zk_watch_count: watches.size,
    zk_ephemerals_count: ephemerals,
    zk_global_sessions: state.sessions.size,
    zk_uptime: Math.round(performance.now()),
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}\t${value}\n`)
    .join('');
}

function modeOf({ group }: DoorShared): string {
  const { role, config } = group.status();
  if (config.members.length === 1) return 'standalone';
  return role === 'leader' ? 'leader' : 'follower';
}

function outstanding({ connections }: DoorShared): number {
  let count = 0;
  for (const connection of connections) count += connection.outstanding;
  return count;
}

function received({ connections }: DoorShared): number {
  let count = 0;
  for (const connection of connections) count += connection.received;
  return count;
}
