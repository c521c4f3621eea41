import type { NewEvent } from '../emitter.js';
import type { StoreEngine, StoreListener } from './store.js';

/** What is done with what is heard. */
interface Hearer {
  readonly changed: StoreListener['changed'];
  /** Messages arrive, for the first time or again. */
  resumed(): void;
  tell(event: NewEvent): void;
}

/** Whether messages of the other processes arrive, and what is told where they do not: once, until they do again. */
export class Hearing {
  readonly #store: StoreEngine;
  readonly #hearer: Hearer;
  #isSubscribed: boolean;
  #isSubscribing = false;
  #isMuted = false;
  #hasEnded = false;
  #fault: NewEvent | undefined;

  constructor(store: StoreEngine, hearer: Hearer) {
    this.#store = store;
    this.#hearer = hearer;
    this.#isSubscribed = store.subscribe === undefined;
  }

  /** Whether all is done that can be done: also where the store has no messages. */
  get isSubscribed(): boolean {
    return this.#isSubscribed;
  }

  /** Whether messages arrive. */
  get isListening(): boolean {
    return this.#isSubscribed && !this.#isMuted && this.#store.subscribe !== undefined;
  }

  /** Why messages do not arrive, for whoever comes later; `undefined` while they do. */
  get fault(): NewEvent | undefined {
    return this.#fault;
  }

  /** Asks for messages, unless that was done with success. */
  async begin(): Promise<void> {
    if (this.#isSubscribing) return;
    this.#isSubscribing = true;
    try {
      await this.#store.subscribe?.({
        changed: this.#hearer.changed,
        resumed: () => this.#resume(),
        interrupted: (error) => {
          this.#isSubscribed = false;
          this.#fail(error);
        },
      });
    } catch (error) {
      this.#isSubscribing = false;
      this.#fail(error);
    }
  }

  /** The store cannot tell the others. */
  mute(): void {
    if (this.#isMuted) return;
    this.#isMuted = true;
    this.#fail(new Error('The store could not publish'));
  }

  /** Nothing is told any more. */
  end(): void {
    this.#hasEnded = true;
  }

  #resume(): void {
    this.#isSubscribed = true;
    if (this.#fault && !this.#isMuted) {
      this.#fault = undefined;
      this.#hearer.tell({ type: 'store', status: 'subscribed', key: null });
    }
    this.#hearer.resumed();
  }

  #fail(error: unknown): void {
    if (this.#fault || this.#hasEnded) return;
    this.#fault = { type: 'store', status: 'unsubscribed', key: null, error };
    this.#hearer.tell(this.#fault);
  }
}
