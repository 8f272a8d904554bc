/**
 * Who somebody is, for people, logs and whoever keeps accounts: `user/alice`, `service/pangu-master`, `attempt/<run>/<task>/<instance>/<attempt>`.
 *
 * Only an issuer says who is a user or a service. Whoever delegates keeps the name or adds to it (`user/alice/laptop`: on behalf of alice), or names an
 * attempt, which is nobody by itself: so no holder of a token can make another one that passes for somebody else.
 */
export const NAME_CHARACTERS_MAX = 512;

const NAME = /^(user|service|attempt)(\/[A-Za-z0-9_@+=:~.-]{1,128}){1,8}$/;

export function isName(text: unknown): text is string {
  return typeof text === 'string' && text.length <= NAME_CHARACTERS_MAX && NAME.test(text) && !/\/\.\.?(\/|$)/.test(text);
}

export function isDelegatedName(name: string, parent: string): boolean {
  return name === parent || name.startsWith(`${parent}/`) || name.startsWith('attempt/');
}
