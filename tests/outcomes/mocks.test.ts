import { HttpResponse, http } from 'msw';
import { setupServer } from 'msw/node';
import nock from 'nock';
import { afterEach, describe, expect, test } from 'vitest';
import { told } from './support.js';

const TWICE = { outcomes: ['failure', 'failure'], stopped: 'exhausted' };

describe('msw', () => {
  test.each(['http', 'fetch'])(
    'HttpResponse.error() with the %s adapter is a failure that is retried',
    async (adapter) => {
      const server = setupServer(http.get('http://service.test/', () => HttpResponse.error()));
      server.listen();
      try {
        expect(await told({ url: 'http://service.test/', adapter })).toMatchObject(TWICE);
      } finally {
        server.close();
      }
    },
  );
});

describe('nock', () => {
  afterEach(() => {
    nock.cleanAll();
    nock.restore();
  });

  test.each([
    ['a text', 'the network is gone', undefined],
    ['an error with a code', Object.assign(new Error('gone'), { code: 'ECONNRESET' }), 'ECONNRESET'],
  ])('replyWithError of %s is a failure that is retried', async (_what, error, code) => {
    if (!nock.isActive()) nock.activate();
    nock('http://service.test').get('/').times(2).replyWithError(error);
    expect(await told({ url: 'http://service.test/', adapter: 'http' })).toEqual({ ...TWICE, codes: [code, code] });
  });
});
