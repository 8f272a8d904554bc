/** What a checker found: the property that does not hold, and the facts. */
export class PropertyBroken extends Error {
  readonly property: string;

  constructor(property: string, facts: string) {
    super(`${property}: ${facts}`);
    this.property = property;
  }
}

export function mustHold(holds: boolean, property: string, facts: () => string): asserts holds {
  if (!holds) throw new PropertyBroken(property, facts());
}
