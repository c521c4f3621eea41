import 'reflect-metadata';
import { type ArgumentsHost, Catch, Controller, Get, type INestApplication, Logger } from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost, NestFactory } from '@nestjs/core';
import axios, { type AxiosInstance } from 'axios';
import type { Response } from 'express';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach, type BreakerRegistry, CircuitOpenError } from '../../src/index.js';
import { startServer, type TestServer } from '../support/server.js';

let upstream: TestServer;
let api: AxiosInstance;
let breakers: BreakerRegistry;
let app: INestApplication;

/** Lets the errors of its upstream through. */
@Controller()
class UsersController {
  @Get('users')
  async list(): Promise<unknown> {
    const { data } = await api.get<unknown>('/users');
    return data;
  }
}

/** The recipe: Nest answers 503 by itself, and this adds the header. */
@Catch(CircuitOpenError)
class CircuitOpenFilter extends BaseExceptionFilter<CircuitOpenError> {
  override catch(error: CircuitOpenError, host: ArgumentsHost): void {
    host.switchToHttp().getResponse<Response>().set(error.headers);
    super.catch(error, host);
  }
}

Logger.overrideLogger(false);

async function listen(): Promise<string> {
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}

beforeEach(async () => {
  upstream = await startServer(200);
  api = axios.create({ baseURL: upstream.url });
  ({ breakers } = attach(api, { clock: { now: () => 0 } }));
  app = await NestFactory.create({ module: UsersController, controllers: [UsersController] });
});
afterEach(async () => {
  await app.close();
  await upstream.close();
});

describe('a CircuitOpenError that a Nest 12 handler lets through', () => {
  beforeEach(() => {
    breakers.ensure(`GET ${upstream.url}`).trip({ cooldownMs: 7_001 });
  });

  test('is answered 503', async () => {
    const response = await fetch(`${await listen()}/users`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ statusCode: 503 });
    expect(upstream.requests).toEqual([]);
  });

  test('is answered 503 with Retry-After by a filter that adds the header', async () => {
    app.useGlobalFilters(new CircuitOpenFilter(app.get(HttpAdapterHost).httpAdapter));
    const response = await fetch(`${await listen()}/users`);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('8');
  });
});

test('while the circuit is closed the handler answers as ever', async () => {
  const response = await fetch(`${await listen()}/users`);
  expect(response.status).toBe(200);
  expect(response.headers.get('retry-after')).toBeNull();
});
