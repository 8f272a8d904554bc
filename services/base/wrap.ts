/** About what the Web UI shows of a line of current details without scrolling sideways. */
const WIDTH = 72;

/** Text in lines of at most 72 characters, broken at spaces where there are any; its own line feeds stay. */
export function wrap(text: string): string {
  return text
    .split('\n')
    .flatMap((line) => {
      const lines: string[] = [];
      let rest = line;
      while (rest.length > WIDTH) {
        const space = rest.lastIndexOf(' ', WIDTH);
        const end = space > 0 ? space : WIDTH;
        lines.push(rest.slice(0, end));
        rest = rest.slice(space > 0 ? end + 1 : end);
      }
      return [...lines, rest];
    })
    .join('\n');
}
