import { z } from 'zod';

/** Texts by the name of their field, where any other would be no such thing. */
const TEXTS: Record<string, string> = { path: '/a/b', from: '/a', to: '/b', directory: '/d', name: 'n', address: 'tcp://127.0.0.1:1' };

/** A request that fits the schema, with nothing in it that may be left out; lists have one item, so that there is something to touch. */
export function requestFor(schema: z.ZodType, field = ''): unknown {
  const candidates = [...examples(schema, field)];
  const found = candidates.find((candidate) => candidate !== undefined && schema.safeParse(candidate).success);
  if (found === undefined && !schema.safeParse(undefined).success)
    throw new Error(`no example of ${field || 'the request'} fits its schema (${schema.def.type})`);
  return found;
}

function* examples(schema: z.ZodType, field: string): Generator<unknown> {
  if (schema instanceof z.ZodObject) {
    const shape = Object.entries(schema.shape as Record<string, z.ZodType>);
    yield Object.fromEntries(shape.filter(([, each]) => !mayBeLeftOut(each)).map(([name, each]) => [name, requestFor(each, name)]));
  } else if (schema instanceof z.ZodArray) yield [requestFor(schema.element as z.ZodType, field)];
  else if (schema instanceof z.ZodUnion) for (const option of schema.options) yield requestFor(option as z.ZodType, field);
  else if (schema instanceof z.ZodEnum) yield schema.options[0];
  else if (schema instanceof z.ZodLiteral) yield [...schema.values][0];
  else if (schema instanceof z.ZodRecord) yield {};
  else if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) yield requestFor(schema.unwrap() as z.ZodType, field);
  else if (schema instanceof z.ZodPipe) yield requestFor(schema.in as z.ZodType, field);
  yield TEXTS[field];
  yield* ['x', 'x'.repeat(64), 'a'.repeat(64), '1.0.0', 0, 1, 65_536, 1_000, true, new Uint8Array([1])];
}

function mayBeLeftOut(schema: z.ZodType): boolean {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault;
}
