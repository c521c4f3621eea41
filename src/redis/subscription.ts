import { unref } from '../fleet/deadline.js';
import type { StoreListener } from '../fleet/store.js';
import type { ClientKind, RedisClient } from './client.js';

/** What the subscriber of either package has. */
interface Subscriber {
  readonly status?: string;
  readonly isOpen?: boolean;
  readonly options?: { readonly socket?: object; readonly redisOptions?: object };
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: (...args: never[]) => void): unknown;
  duplicate(...args: unknown[]): Subscriber;
  connect(): Promise<unknown>;
  subscribe(channel: string, listener?: (message: string) => void): Promise<unknown>;
  unsubscribe(channel: string, listener?: (message: string) => void): Promise<unknown>;
  /** ioredis. */
  disconnect(): void;
  /** node-redis. */
  destroy(): void;
}

/** How long until a connection that could not be made is tried again; the packages do so themselves once it was made. */
const CONNECT_AGAIN_MS = 1_000;
const LONGEST_RECONNECT_MS = 500;

/** Listens on a connection of its own, since one that subscribes may take no other command; or on one that was given. */
export class Subscription {
  readonly #isIoredis: boolean;
  readonly #isOwn: boolean;
  readonly #subscriber: Subscriber;
  readonly #channel: string;
  readonly #listener: StoreListener;
  readonly #onText: (text: string) => void;
  readonly #handlers: Readonly<Record<string, (...args: never[]) => void>>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isSubscribed = false;
  #closed = false;

  constructor(
    client: RedisClient,
    kind: ClientKind,
    isOwn: boolean,
    channel: string,
    onText: (text: string) => void,
    listener: StoreListener,
  ) {
    this.#isIoredis = kind.startsWith('ioredis');
    this.#isOwn = isOwn;
    this.#channel = channel;
    this.#listener = listener;
    this.#onText = onText;
    this.#subscriber = isOwn ? duplicateOf(client as never, kind) : (client as never);
    const resume = () => void this.#subscribe();
    const interrupt = () => this.#closed || listener.interrupted(new Error('The connection of the subscriber ended'));
    this.#handlers = this.#isIoredis
      ? {
          ready: resume,
          '+node': resume,
          close: interrupt,
          message: (from: string, text: string) => (from === channel ? onText(text) : undefined),
        }
      : { ready: resume, 'node-ready': resume, reconnecting: interrupt };
    for (const [event, handler] of Object.entries(this.#handlers)) this.#subscriber.on(event, handler);
    if (isOwn) this.#subscriber.on('error', () => undefined);
    if (isOwn) void this.#connect();
    else void this.#subscribe();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const [event, handler] of Object.entries(this.#handlers)) this.#subscriber.off(event, handler);
    try {
      if (!this.#isOwn) await this.#subscriber.unsubscribe(this.#channel, this.#isIoredis ? undefined : this.#onText);
      else if (this.#isIoredis) this.#subscriber.disconnect();
      else this.#subscriber.destroy();
    } catch {
      // It was closed already.
    }
  }

  async #connect(): Promise<void> {
    try {
      const isConnecting = this.#isIoredis && this.#subscriber.status !== 'wait';
      if (!isConnecting) await this.#subscriber.connect();
      if (!this.#isIoredis) await this.#subscribe();
    } catch (error) {
      if (this.#closed) return;
      this.#listener.interrupted(error);
      this.#timer = unref(setTimeout(() => void this.#connect(), CONNECT_AGAIN_MS));
    }
  }

  /** Subscribes again on every connection: asking twice is harmless, and the answer says from when on messages arrive. */
  async #subscribe(): Promise<void> {
    try {
      if (this.#isIoredis) await this.#subscriber.subscribe(this.#channel);
      else if (!this.#isSubscribed) await this.#subscriber.subscribe(this.#channel, this.#onText);
      this.#isSubscribed = true;
      if (!this.#closed) this.#listener.resumed();
    } catch (error) {
      if (this.#closed) return;
      this.#listener.interrupted(error);
      clearTimeout(this.#timer);
      this.#timer = unref(setTimeout(() => void this.#subscribe(), CONNECT_AGAIN_MS));
    }
  }
}

/** A second connection, with all the options of the first, that reconnects for ever and lets go at once when it is closed. */
function duplicateOf(client: Subscriber, kind: ClientKind): Subscriber {
  const forIoredis = { maxRetriesPerRequest: null, disconnectTimeout: 1 };
  if (kind === 'ioredis') return client.duplicate(forIoredis);
  if (kind === 'ioredis-cluster')
    return client.duplicate([], { redisOptions: { ...client.options?.redisOptions, ...forIoredis } });
  if (kind === 'node-redis-cluster') return client.duplicate();
  const reconnectStrategy = (retries: number) => Math.min(LONGEST_RECONNECT_MS, 50 * 2 ** retries);
  return client.duplicate({ socket: { ...client.options?.socket, reconnectStrategy } });
}
