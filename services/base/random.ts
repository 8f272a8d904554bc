/** Randomness as an argument: real in processes, seeded in tests and simulators. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, below). */
  int(below: number): number;
}

export const systemRandom: Random = {
  next: () => Math.random(),
  int: (below) => Math.floor(Math.random() * below),
};

/** sfc32 (PractRand's small fast counter generator): the same seed gives the same run on every machine. */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9 ^ seed;
  let b = 0x243f6a88 + seed;
  let c = 0xb7e15162;
  let counter = 1;
  const next32 = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) next32();
  const next = (): number => next32() / 4294967296;
  return { next, int: (below) => Math.floor(next() * below) };
}
