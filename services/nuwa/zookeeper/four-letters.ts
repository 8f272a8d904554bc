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
    ({ peer, outstanding, received, sent }) => ` /${peer}[1](queued=${outstanding},recved=${received},sent=${sent})\n`,
  );
  return `Clients:\n${lines.join('')}`;
}

function facts(door: DoorShared): string {
  const { latency, group } = door;
  const { state } = group;
  return [
    `Latency min/avg/max: ${wholeMs(latency.minMs)}/${latency.meanMs.toFixed(4)}/${wholeMs(latency.maxMs)}`,
    `Received: ${door.received}`,
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
  const { group, watches, connections, latency, flow } = door;
  const { state } = group;
  let ephemerals = 0;
  for (const session of state.sessions.values()) ephemerals += session.ephemerals.size;
  const values: Record<string, string | number> = {
    zk_version: VERSION,
    zk_server_state: modeOf(door),
    zk_avg_latency: latency.meanMs.toFixed(4),
    zk_max_latency: wholeMs(latency.maxMs),
    zk_min_latency: wholeMs(latency.minMs),
    zk_packets_received: door.received,
    zk_packets_sent: door.sent,
    zk_num_alive_connections: connections.size,
    zk_outstanding_requests: outstanding(door),
    zk_znode_count: state.nodes + 1,
    zk_watch_count: watches.size,
    zk_ephemerals_count: ephemerals,
    zk_global_sessions: state.sessions.size,
    zk_held_request_bytes: flow.heldBytes,
    zk_unread_answer_bytes: flow.unreadBytes,
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

/** As ZooKeeper tells it, whose clock counts whole milliseconds. */
function wholeMs(ms: number): number {
  return Math.round(ms);
}
