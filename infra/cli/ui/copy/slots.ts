/** Room for so much at once; whoever wants more than is free waits in line. */
export class Slots {
  #free: number;
  readonly #line: { count: number; go: () => void }[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async take(count: number): Promise<void> {
    if (this.#line.length > 0 || this.#free < count) await new Promise<void>((go) => this.#line.push({ count, go }));
    else this.#free -= count;
  }

  give(count: number): void {
    this.#free += count;
    while (this.#line.length > 0 && this.#line[0]!.count <= this.#free) {
      const next = this.#line.shift()!;
      this.#free -= next.count;
      next.go();
    }
  }
}
