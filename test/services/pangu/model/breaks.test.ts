import { expect, it } from 'vitest';
import { BREAKS, countIn } from './breaks.ts';

// That each is found takes minutes: npm run soak -- pangu-breaks.
it.each(BREAKS)('is there to be broken: $name', ({ edits }) => {
  for (const edit of edits) expect(countIn(edit)).toBe(1);
});
