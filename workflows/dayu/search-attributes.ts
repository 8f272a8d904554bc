import { defineSearchAttributeKey } from '@temporalio/common';
import { SEARCH_ATTRIBUTE_KEYS as OF_JOBS } from '../fuxi/search-attributes.ts';

/** Typed keys of the search attributes that `DAYU_SEARCH_ATTRIBUTES` in Dayu's contract lists, and the two that all of Feitian's workflows share. */
export const SEARCH_ATTRIBUTE_KEYS = {
  application: defineSearchAttributeKey('FeitianApplication', 'KEYWORD'),
  version: defineSearchAttributeKey('FeitianVersion', 'KEYWORD'),
  user: OF_JOBS.user,
  phase: OF_JOBS.phase,
};
