/** In how many parts a deadline is waited for. */
const PARTS = 4;

/**
 * Gives a command its time, of which a part that our own event loop was busy counts once, however long it was: a process
 * that has no time to read an answer must not take the store for ill. A late answer is ignored.
 */
export function within<T>(
  timeoutMs: number,
  command: () => Promise<T>,
  underWay: Set<() => void> = new Set(),
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const partMs = (left: number): number => {
      const equalMs = Math.floor(timeoutMs / PARTS);
      return left === 0 ? 0 : left === 1 ? timeoutMs - (PARTS - 1) * equalMs : equalMs;
    };
    let parts = PARTS;
    let timer: ReturnType<typeof setTimeout>;
    const settled =
      <V>(settle: (value: V) => void) =>
      (value: V) => {
        parts = -1;
        clearTimeout(timer);
        underWay.delete(cancel);
        settle(value);
      };
    const end = settled(reject);
    const cancel = () => end(new Error('The store was closed'));
    const wait = () => {
      if (parts < 0) end(new Error(`The store did not answer within ${timeoutMs} ms`));
      // A busy event loop fires the last timer before it reads an answer that has arrived in time: so one more turn.
      else timer = setTimeout(wait, partMs(parts--));
    };
    wait();
    underWay.add(cancel);
    try {
      command().then(settled(resolve), end);
    } catch (error) {
      end(error);
    }
  });
}

/** Lets a Node process end while the timer runs. */
export function unref<T>(timer: T): T {
  (timer as { unref?: () => void }).unref?.();
  return timer;
}
