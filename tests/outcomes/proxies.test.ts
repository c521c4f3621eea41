import { HttpsProxyAgent } from 'https-proxy-agent';
import { SocksProxyAgent } from 'socks-proxy-agent';
import { afterEach, describe, expect, test } from 'vitest';
import { freePort, type RawServer, rawServer, told } from './support.js';

let proxy: RawServer;
afterEach(() => proxy.close());

const closing = () => rawServer((socket) => void socket.once('data', () => socket.end()));
const TWICE = { outcomes: ['failure', 'failure'], stopped: 'exhausted' };

describe('a proxy that takes the request and does not carry it out', () => {
  test('https-proxy-agent, closed on CONNECT: an error without a code', async () => {
    proxy = await closing();
    const httpsAgent = new HttpsProxyAgent(proxy.url);
    expect(await told({ url: 'https://192.0.2.1/', httpsAgent })).toEqual({ ...TWICE, codes: [undefined, undefined] });
    const post = await told({ method: 'post', url: 'https://192.0.2.1/', httpsAgent });
    expect(post).toMatchObject({ outcomes: ['failure'], stopped: 'method' });
  });

  test('https-proxy-agent, refused: a POST is retried, since it was not sent', async () => {
    proxy = await closing();
    const httpsAgent = new HttpsProxyAgent(`http://127.0.0.1:${await freePort()}`);
    const post = await told({ method: 'post', url: 'https://192.0.2.1/', httpsAgent });
    expect(post).toMatchObject({ ...TWICE, codes: ['ECONNREFUSED', 'ECONNREFUSED'] });
  });

  test('socks-proxy-agent, closed: an error without a code', async () => {
    proxy = await closing();
    const httpAgent = new SocksProxyAgent(`socks5://127.0.0.1:${proxy.port}`);
    expect(await told({ url: 'http://192.0.2.1/', httpAgent })).toEqual({ ...TWICE, codes: [undefined, undefined] });
  });

  test('socks-proxy-agent, refused by the proxy', async () => {
    proxy = await closing();
    const httpAgent = new SocksProxyAgent(`socks5://127.0.0.1:${await freePort()}`);
    expect(await told({ url: 'http://192.0.2.1/', httpAgent })).toMatchObject(TWICE);
  });

  test('socks-proxy-agent, not allowed by the proxy: an error without a code', async () => {
    proxy = await rawServer((socket) => {
      socket.once('data', () => {
        socket.write(Buffer.from([5, 0]));
        socket.once('data', () => socket.write(Buffer.from([5, 2, 0, 1, 0, 0, 0, 0, 0, 0])));
      });
    });
    const httpAgent = new SocksProxyAgent(`socks5://127.0.0.1:${proxy.port}`);
    expect(await told({ url: 'http://192.0.2.1/', httpAgent })).toEqual({ ...TWICE, codes: [undefined, undefined] });
  });

  test('socks-proxy-agent, no answer in time: an error without a code', async () => {
    proxy = await rawServer(() => undefined);
    const httpAgent = new SocksProxyAgent(`socks5://127.0.0.1:${proxy.port}`, { timeout: 100 });
    expect(await told({ url: 'http://192.0.2.1/', httpAgent })).toEqual({ ...TWICE, codes: [undefined, undefined] });
  });
});
