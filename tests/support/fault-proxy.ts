import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between a client and a server and lets the network fall ill. A call takes effect when its promise resolves. */
export interface FaultProxy {
  readonly port: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Bytes that were taken and not handed on, both directions, since the start. */
  readonly swallowed: number;
  /**
   * Hands everything on, and accepts again after `refuse`. Connections that lost bytes are reset: what would follow makes no sense
   * without them.
   */
  pass(): Promise<void>;
  /** Hands everything on, the server's side this much later, ms: a round trip takes that much longer. */
  latency(ms: number): Promise<void>;
  /** Accepts connections and bytes, and hands on nothing in either direction. */
  blackhole(): Promise<void>;
  /** Hands on what the client sends, and loses what the server answers. */
  dropReplies(): Promise<void>;
  /** Hands on this many more bytes of what the server answers on each connection that is open now, then ends it. */
  truncate(bytes: number): Promise<void>;
  /** Resets all connections and goes on as before. */
  reset(): Promise<void>;
  /** Resets all connections and lets nobody connect. */
  refuse(): Promise<void>;
  stop(): Promise<void>;
}

type Mode = 'pass' | 'blackhole' | 'drop-replies';

/** One connection of a client and the one to the server that belongs to it. */
class Pair {
  readonly #client: Socket;
  readonly #server: Socket;
  /** What is still to be done for the client, in this order whatever the latency was. */
  readonly #waiting: { readonly dueAt: number; readonly act: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Bytes of replies that may still pass. */
  allowance = Number.POSITIVE_INFINITY;
  lostBytes = false;

  constructor(client: Socket, server: Socket) {
    this.#client = client;
    this.#server = server;
    client.on('error', () => this.break());
    client.on('end', () => server.end());
    client.on('close', () => this.break());
  }

  send(bytes: Buffer): void {
    if (this.#server.writable) this.#server.write(bytes);
  }

  reply(bytes: Buffer, latencyMs: number): void {
    const allowed = bytes.subarray(0, this.allowance);
    this.allowance -= allowed.length;
    this.#later(latencyMs, () => this.#client.write(allowed));
    if (this.allowance === 0) this.end();
  }

  end(): void {
    this.#later(0, () => this.#client.end());
  }

  #later(latencyMs: number, act: () => void): void {
    this.#waiting.push({ dueAt: performance.now() + latencyMs, act });
    if (this.#waiting.length === 1) this.#proceed();
  }

  #proceed(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#proceed(), waitMs);
        return;
      }
      this.#waiting.shift();
      next.act();
    }
  }

  /** Resets both sides. */
  break(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    for (const socket of [this.#client, this.#server]) {
      if (socket.destroyed) continue;
      // While an end is being sent, a reset fails and leaves the socket open for ever.
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  }
}

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  let mode: Mode = 'pass';
  let latencyMs = 0;
  let swallowed = 0;

  const listener: Server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const pair = new Pair(client, server);
    pairs.add(pair);
    client.on('close', () => pairs.delete(pair));
    const swallow = (bytes: number) => {
      swallowed += bytes;
      pair.lostBytes = true;
    };
    const unlessBlackhole = (act: () => void) => () => (mode === 'blackhole' ? swallow(0) : act());
    client.on('data', (bytes) => (mode === 'blackhole' ? swallow(bytes.length) : pair.send(bytes)));
    server.setNoDelay(true);
    server.on('data', (bytes) => (mode === 'pass' ? pair.reply(bytes, latencyMs) : swallow(bytes.length)));
    server.on(
      'end',
      unlessBlackhole(() => pair.end()),
    );
    server.on(
      'error',
      unlessBlackhole(() => pair.break()),
    );
  });

  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(port, '127.0.0.1', () => {
        listener.off('error', reject);
        resolve();
      });
    });
  await listen(0);
  const { port } = listener.address() as AddressInfo;

  /** Waits until the sockets are gone, so that nothing of them is heard any more. */
  async function breakOff(which: readonly Pair[]): Promise<void> {
    for (const pair of which) pair.break();
    while (which.some((pair) => pairs.has(pair))) await new Promise(setImmediate);
  }

  async function enter(next: Mode, nextLatencyMs = 0): Promise<void> {
    mode = next;
    latencyMs = nextLatencyMs;
    if (!listener.listening) await listen(port);
    if (next === 'pass') await breakOff([...pairs].filter(({ lostBytes }) => lostBytes));
  }

  async function refuse(): Promise<void> {
    const closed = listener.listening ? new Promise<void>((resolve) => listener.close(() => resolve())) : undefined;
    await breakOff([...pairs]);
    await closed;
  }

  return {
    port,
    get connections() {
      return pairs.size;
    },
    get swallowed() {
      return swallowed;
    },
    pass: () => enter('pass'),
    latency: (ms) => enter('pass', ms),
    blackhole: () => enter('blackhole'),
    dropReplies: () => enter('drop-replies'),
    async truncate(bytes) {
      await enter('pass');
      for (const pair of pairs) pair.allowance = bytes;
    },
    reset: () => breakOff([...pairs]),
    refuse,
    stop: refuse,
  };
}
