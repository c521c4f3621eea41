import type { StoreEngine } from '../../dist/store.js';

/** What lies between a process and its store. */
export interface Network {
  /** How long a command and its answer take together, ms; each takes up to as long again, at random. */
  readonly roundTripMs: number;
  /** How long a message takes, ms; each up to as long again. */
  readonly messageMs: number;
  /** The share of commands that do not arrive, of answers that get lost, and of messages that do not arrive. */
  readonly loss: number;
}

/** What all processes together have asked of the store. */
export class Traffic {
  commands = 0;
  messages = 0;
  /** The most commands in one second. */
  mostInASecond = 0;
  #second = -1;
  #inThisSecond = 0;

  countCommand(): void {
    const second = Math.floor(performance.now() / 1_000);
    if (second !== this.#second) this.#inThisSecond = 0;
    this.#second = second;
    this.commands++;
    this.mostInASecond = Math.max(this.mostInASecond, ++this.#inThisSecond);
  }

  restart(): void {
    this.commands = this.messages = this.mostInASecond = this.#inThisSecond = 0;
  }
}

/** The way of one process to a store that all share: commands, answers and messages take time, and some are lost. */
export function throughNetwork(store: StoreEngine, { roundTripMs, messageMs, loss }: Network, traffic: Traffic) {
  const wayMs = (ms: number) => ms * (1 + Math.random());
  const isLost = () => loss > 0 && Math.random() < loss;
  const later = (delayMs: number, run: () => void) => void setTimeout(run, delayMs);
  const through =
    <Given extends unknown[], Answer>(operation: (...given: Given) => Promise<Answer>) =>
    (...given: Given): Promise<Answer> =>
      new Promise((resolve, reject) => {
        if (isLost()) return;
        later(wayMs(roundTripMs / 2), () => {
          traffic.countCommand();
          operation(...given).then((answer) => {
            if (!isLost()) later(wayMs(roundTripMs / 2), () => resolve(answer));
          }, reject);
        });
      });
  const overNetwork: StoreEngine = {
    read: through(store.read),
    report: through(store.report),
    acquire: through(store.acquire),
    settle: through(store.settle),
    force: through(store.force),
    subscribe: async (listener) => {
      await store.subscribe?.({
        ...listener,
        changed: (key, view) => {
          if (isLost()) return;
          later(wayMs(messageMs), () => {
            traffic.messages++;
            listener.changed(key, view);
          });
        },
      });
    },
  };
  return overNetwork;
}
