import { defineSearchAttributeKey } from '@temporalio/common';

/** Typed keys of the search attributes that `SEARCH_ATTRIBUTES` in Fuxi's contract lists. */
export const SEARCH_ATTRIBUTE_KEYS = {
  jobName: defineSearchAttributeKey('FeitianJobName', 'KEYWORD'),
  user: defineSearchAttributeKey('FeitianUser', 'KEYWORD'),
  quotaGroup: defineSearchAttributeKey('FeitianQuotaGroup', 'KEYWORD'),
  priority: defineSearchAttributeKey('FeitianPriority', 'INT'),
  phase: defineSearchAttributeKey('FeitianPhase', 'KEYWORD'),
};
