import type { Cluster, Redis } from 'ioredis';
import type { createClient, createCluster } from 'redis';
import type { ClientSpec } from './protocol.js';

/** A client of either kind, connecting, and how its owner ends it. */
export interface OwnedClient {
  readonly client: Redis | Cluster | ReturnType<typeof createClient | typeof createCluster>;
  end(): void;
}

async function ioredis({ url, cluster = false, options = {} }: ClientSpec): Promise<OwnedClient> {
  const { Redis } = await import('ioredis');
  const client = cluster ? new Redis.Cluster([url], { redisOptions: options }) : new Redis(url, options);
  client.on('error', () => undefined);
  return { client, end: () => client.disconnect() };
}

async function nodeRedis({ url, cluster = false, options = {} }: ClientSpec): Promise<OwnedClient> {
  const { createClient, createCluster } = await import('redis');
  const client = cluster ? createCluster({ rootNodes: [{ url }], ...options }) : createClient({ url, ...options });
  client.on('error', () => undefined);
  client.connect().catch(() => undefined);
  return { client: client as OwnedClient['client'], end: () => client.destroy() };
}

/** Makes a client that connects by itself, as soon as there is a Redis. Loads only the package it needs. */
export function makeClient(spec: ClientSpec): Promise<OwnedClient> {
  return spec.kind === 'ioredis' ? ioredis(spec) : nodeRedis(spec);
}
