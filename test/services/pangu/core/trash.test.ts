import { describe, expect, it } from 'vitest';
import { bucketTimeMs, isInTrash, originOf, TRASH_BUCKET_MS, trashPlaces, trashUser } from '../../../../services/pangu/core/trash.ts';

const NOW = Date.UTC(2026, 10, 23, 20, 34, 5, 123);

describe('the trash', () => {
  it('keeps what was removed under who removed it, when, and where it stood', () => {
    expect(trashPlaces('user/alice', NOW, ['a', 'b'], 'x1').map((names) => names.join('/'))).toEqual([
      '.trash/user:alice/2026-11-23T20-30Z/a/b',
      '.trash/user:alice/2026-11-23T20-34-05.123Z/a/b',
      '.trash/user:alice/2026-11-23T20-34-05.123Z-x1/a/b',
    ]);
  });

  it.each([
    ['', 'nobody'],
    ['..', 'nobody'],
    ['alice', 'alice'],
    ['service/a/b', 'service:a:b'],
    ['x'.repeat(256), 'nobody'],
  ])('files what %j removed under %j', (owner, user) => {
    expect(trashUser(owner)).toBe(user);
  });

  it('keeps only the last name of what is too deep to be named there', () => {
    const deep = Array.from({ length: 16 }, () => 'n'.repeat(254));
    expect(trashPlaces('', NOW, deep, 'x')[0]).toEqual(['.trash', 'nobody', '2026-11-23T20-30Z', deep[0]]);
  });

  it('knows where something stood, and when all in a directory had been removed', () => {
    for (const place of trashPlaces('', NOW, ['a', 'b'], 'salt-1')) {
      expect(originOf(place)).toEqual(['a', 'b']);
      expect(bucketTimeMs(place[2]!)! - NOW).toBeGreaterThanOrEqual(0);
      expect(bucketTimeMs(place[2]!)! - NOW).toBeLessThanOrEqual(TRASH_BUCKET_MS);
    }
    for (const other of [
      '.trash/u',
      '.trash/u/2026-11-23T20-30Z',
      '.trash/u/mine/a',
      'a/u/2026-11-23T20-30Z/b',
      '.trash/u/2026-99-99T99-99Z/a',
    ])
      expect(originOf(other.split('/'))).toBeUndefined();
    expect([isInTrash(['.trash']), isInTrash([]), isInTrash(['a', '.trash'])]).toEqual([true, false, false]);
  });
});
