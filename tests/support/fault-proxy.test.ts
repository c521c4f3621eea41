import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type FaultProxy, startFaultProxy } from './fault-proxy.js';

/** Answers everything with the same in capitals. */
class Shouter {
  received = '';
  readonly sockets = new Set<Socket>();
  readonly server: Server = createServer((socket) => {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      this.received += bytes.toString();
      socket.write(bytes.toString().toUpperCase());
    });
  });

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }
}

/** A client that remembers what it heard. */
class Caller {
  heard = '';
  ended = false;
  closed = false;
  code: string | undefined;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (bytes) => {
      this.heard += bytes.toString();
    });
    this.socket.on('end', () => {
      this.ended = true;
    });
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.code = error.code;
    });
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  async hears(text: string): Promise<void> {
    await vi.waitFor(() => expect(this.heard).toBe(text), { interval: 1 });
  }

  async loses(code?: string): Promise<void> {
    await vi.waitFor(() => expect(this.closed).toBe(true), { interval: 1 });
    expect(this.code).toBe(code);
  }
}

let shouter: Shouter;
let proxy: FaultProxy;
const callers: Caller[] = [];
const call = (): Caller => {
  const caller = new Caller(proxy.port);
  callers.push(caller);
  return caller;
};
const swallows = (bytes: number) => vi.waitFor(() => expect(proxy.swallowed).toBe(bytes), { interval: 1 });

/** A connection over which something has come and gone. */
async function callAndHear(): Promise<Caller> {
  const caller = call();
  caller.socket.write('hello ');
  await caller.hears('HELLO ');
  return caller;
}

beforeEach(async () => {
  shouter = new Shouter();
  proxy = await startFaultProxy(await shouter.listen());
});
afterEach(async () => {
  for (const caller of callers.splice(0)) caller.socket.destroy();
  await proxy.stop();
  shouter.server.close();
  for (const socket of shouter.sockets) socket.destroy();
});

test('passes both directions and both ends', async () => {
  const caller = await callAndHear();
  expect(proxy.connections).toBe(1);
  caller.socket.end('bye');
  await caller.loses();
  expect(caller.heard).toBe('HELLO BYE');
  expect(caller.ended).toBe(true);
  await vi.waitFor(() => expect(proxy.connections).toBe(0));
  expect(shouter.sockets.size).toBe(0);
});

test('adds its latency to a round trip', async () => {
  const caller = await callAndHear();
  await proxy.latency(60);
  const startedAt = performance.now();
  caller.socket.write('later');
  await caller.hears('HELLO LATER');
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(60);
});

test('keeps the order of replies when the latency shrinks', async () => {
  const caller = await callAndHear();
  await proxy.latency(60);
  caller.socket.write('first ');
  await vi.waitFor(() => expect(shouter.received).toBe('hello first '), { interval: 1 });
  await proxy.pass();
  caller.socket.write('second');
  await caller.hears('HELLO FIRST SECOND');
});

test('a black hole takes bytes and gives none, on old and on new connections', async () => {
  const old = await callAndHear();
  await proxy.blackhole();
  old.socket.write('lost');
  await swallows(4);
  const fresh = call();
  await once(fresh.socket, 'connect');
  fresh.socket.write('lost too');
  await swallows(12);
  expect(shouter.received).toBe('hello ');
  expect([old.heard, fresh.heard]).toEqual(['HELLO ', '']);
  expect([old.closed, fresh.closed]).toEqual([false, false]);
});

test('a black hole hides that the server has gone', async () => {
  const caller = await callAndHear();
  await proxy.blackhole();
  shouter.server.close();
  const [socket] = shouter.sockets;
  socket!.resetAndDestroy();
  await once(socket!, 'close');
  caller.socket.write('lost');
  await swallows(4);
  expect(caller.closed).toBe(false);
  await proxy.pass();
  await caller.loses('ECONNRESET');
});

test('after a black hole, connections that lost bytes are reset and the others go on', async () => {
  const [loser, lucky] = [await callAndHear(), await callAndHear()];
  await proxy.blackhole();
  loser.socket.write('lost');
  await swallows(4);
  await proxy.pass();
  await loser.loses('ECONNRESET');
  expect(loser.heard).toBe('HELLO ');
  lucky.socket.write('again');
  await lucky.hears('HELLO AGAIN');
  expect(shouter.received).toBe('hello hello again');
});

test('drops replies to what the server has received', async () => {
  const caller = await callAndHear();
  await proxy.dropReplies();
  caller.socket.write('heard');
  await swallows(5);
  expect(shouter.received).toBe('hello heard');
  expect([caller.heard, caller.closed]).toEqual(['HELLO ', false]);
  await proxy.pass();
  await caller.loses('ECONNRESET');
  expect(caller.heard).toBe('HELLO ');
});

test('resets every connection and accepts new ones at once', async () => {
  const [one, other] = [await callAndHear(), await callAndHear()];
  await proxy.reset();
  await one.loses('ECONNRESET');
  await other.loses('ECONNRESET');
  expect(proxy.connections).toBe(0);
  await callAndHear();
});

test('a reset leaves the fault as it is', async () => {
  await proxy.blackhole();
  const caller = call();
  await once(caller.socket, 'connect');
  await proxy.reset();
  await caller.loses('ECONNRESET');
  const next = call();
  next.socket.write('lost');
  await swallows(4);
  expect(shouter.received).toBe('');
});

test('refuses connections until it passes again, on the same port', async () => {
  const before = await callAndHear();
  const { port } = proxy;
  await proxy.refuse();
  await before.loses('ECONNRESET');
  await call().loses('ECONNREFUSED');
  await proxy.pass();
  expect(proxy.port).toBe(port);
  await callAndHear();
});

test('ends a connection after so many bytes of replies; later ones pass', async () => {
  const caller = await callAndHear();
  await proxy.truncate(3);
  caller.socket.write('goodbye');
  await caller.loses();
  expect(caller.heard).toBe('HELLO GOO');
  await callAndHear();
});

test('resets a client when there is no server', async () => {
  shouter.server.close();
  await call().loses('ECONNRESET');
});

test('nobody can connect once it has stopped', async () => {
  await callAndHear();
  await proxy.stop();
  await call().loses('ECONNREFUSED');
});
