/** Words in a stream of bytes: an independent count to hold the job's answer against. A word is a longest run of bytes other than white space. */
export class WordTally {
  words = 0;
  #inWord = false;

  add(bytes: Uint8Array): void {
    let inWord = this.#inWord;
    let words = 0;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      const space = byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
      if (inWord === space) {
        inWord = !space;
        if (inWord) words++;
      }
    }
    this.#inWord = inWord;
    this.words += words;
  }

  /** A word does not go on in the next file. */
  endOfFile(): void {
    this.#inWord = false;
  }
}
