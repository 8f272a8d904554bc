/** A way to break Nuwa's cores, each a mistake that somebody has made or could make. `find` stands exactly once in the file. */
export interface Mutation {
  name: string;
  file: string;
  find: string;
  replace: string;
  /** The first seed to try: one that caught it not long ago, where the first few do not. */
  from?: number;
}

const RAFT = 'services/nuwa/core/raft';
const MEMBER = 'services/nuwa/core/member';
const TREE = 'services/nuwa/core/tree';

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'an uncommitted entry of an older term is counted (section 3.6.2, figure 3.7)',
    file: `${RAFT}/replication.ts`,
    find: 'if (index <= server.commitIndex || index < leading.firstIndex) return;',
    replace: 'if (index <= server.commitIndex) return;',
    from: 1184,
  },
  {
    name: 'a server votes twice in a term',
    file: `${RAFT}/election.ts`,
    find: 'const free = server.leader === undefined && (server.vote === undefined || server.vote === from);',
    replace: 'const free = true;',
    from: 28,
  },
  {
    name: 'a vote goes to a shorter log (section 3.6.1)',
    file: `${RAFT}/election.ts`,
    find: 'return lastTerm > log.lastTerm || (lastTerm === log.lastTerm && lastIndex >= log.lastIndex);',
    replace: 'return lastTerm >= log.lastTerm || lastIndex >= log.lastIndex;',
  },
  {
    name: 'entries are acknowledged before they are on the disk',
    file: `${RAFT}/following.ts`,
    find: 'if (taken) acceptAfterWrite(server, from, round, matchIndex);',
    replace: "if (taken) server.send(from, { kind: 'appendReply', term: server.term, round, accepted: true, matchIndex });",
  },
  {
    name: "the leader's own copy counts before it is on its disk (section 10.2.1)",
    file: `${RAFT}/replication.ts`,
    find: 'id === server.id ? server.disk.writtenIndex : leading.progress.get(id)!.matchIndex,',
    replace: 'id === server.id ? server.log.lastIndex : leading.progress.get(id)!.matchIndex,',
  },
  {
    name: 'one less than a majority is taken for one',
    file: `${RAFT}/quorum.ts`,
    find: 'return count >= majorityOf(voters.length);',
    replace: 'return count >= majorityOf(voters.length) - 1;',
  },
  {
    name: 'an append is taken without a look at what comes before it (section 3.5)',
    file: `${RAFT}/following.ts`,
    find: 'if (known === 0 && log.termAt(prevIndex) !== message.prevTerm) {',
    replace: 'if (known === 0 && prevIndex > log.lastIndex) {',
    from: 6,
  },
  {
    name: 'entries that contradict the leader stay in the log',
    file: `${RAFT}/following.ts`,
    find: 'if (index <= log.lastIndex && log.termAt(index) === term) continue;',
    replace: 'if (index <= log.lastIndex) continue;',
  },
  {
    name: 'reads are answered without a round of heartbeats (section 6.4)',
    file: `${RAFT}/reads.ts`,
    find: 'return hasMajority(server.voters, (id) => id === server.id || id === confirmedBy || progress.get(id)!.ackedRound >= round);',
    replace: 'return true;',
    from: 43,
  },
  {
    name: 'reads are answered before an entry of the term is committed (section 6.4)',
    file: `${RAFT}/reads.ts`,
    find: 'const index = server.commitIndex >= leading.firstIndex ? server.commitIndex : NO_INDEX;',
    replace: 'const index = server.commitIndex;',
    from: 15,
  },
  {
    name: 'a follower of an older term confirms a read',
    file: `${RAFT}/reads.ts`,
    find: 'const confirmedBy = term === server.term ? from : undefined;',
    replace: 'const confirmedBy = server.voters.find((id) => id !== server.id);',
    from: 43,
  },
  {
    name: 'a read is answered before its index is applied',
    file: `${MEMBER}/reads.ts`,
    find: 'const ready = this.#confirmed.filter(({ index }) => index <= appliedIndex);',
    replace: 'const ready = this.#confirmed;',
    from: 16,
  },
  {
    name: 'a change that comes again is made again (the memory of replies)',
    file: `${TREE}/replies.ts`,
    find: 'session.replies.set(request, reply);',
    replace: 'if (request < 0) session.replies.set(request, reply);',
  },
  {
    name: 'a snapshot forgets what sessions were answered',
    file: `${TREE}/snapshot.ts`,
    find: 'for (const [request, reply] of replies) session.replies.set(request, reply);',
    replace: '',
    from: 10,
  },
  {
    name: 'keep-alives are answered by a leader that may lead no more',
    file: `${MEMBER}/member.ts`,
    find: "this.#drive({ kind: 'read', id: askId, nowMs: this.#now.monotonicMs });",
    replace: 'this.#reads.answered(askId, 0, undefined);',
    from: 15,
  },
  {
    name: 'the ring of events has a gap',
    file: `${MEMBER}/tree.ts`,
    find: 'this.#events.push(event);\n        told.push(event);',
    replace: "if (event.kind !== 'deleted') this.#events.push(event);\n        told.push(event);",
  },
  {
    name: 'a vote is answered before it is on the disk (section 3.8)',
    file: `${RAFT}/election.ts`,
    find: "server.sendAfterWrite(from, { kind: 'voteReply', term, pre, granted: true });",
    replace: "server.send(from, { kind: 'voteReply', term, pre, granted: true });",
    from: 81,
  },
  {
    name: 'a read is confirmed by the round before it (section 6.4)',
    file: `${RAFT}/reads.ts`,
    find: 'const read: PendingRead = { id, from, confirmedBy, index, round: NO_ROUND };',
    replace: 'const read: PendingRead = { id, from, confirmedBy, index, round: leading.round };',
    from: 152,
  },
  {
    name: 'a change of the group begins while another one is not committed (section 4.1)',
    file: `${RAFT}/membership.ts`,
    find: "if (log.configIndex > commitIndex) return 'another change is under way';",
    replace: '',
    from: 14,
  },
  {
    name: 'a change of the group begins before an entry of the term is committed (raft-dev, 10 July 2015)',
    file: `${RAFT}/membership.ts`,
    find: "if (commitIndex < firstIndex) return 'no entry of this term is committed yet';",
    replace: '',
    from: 109,
  },
];
