import { HttpModule, HttpService } from '@nestjs/axios';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  Get,
  Inject,
  Injectable,
  Module,
  type OnModuleDestroy,
  type OnModuleInit,
  Param,
} from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter } from '@nestjs/core';
import { attach, CircuitOpenError, type Resilience } from 'axios-resilience';
import type { Response } from 'express';

@Injectable()
export class UsersClient implements OnModuleInit, OnModuleDestroy {
  private resilience: Resilience | undefined;

  constructor(@Inject(HttpService) private readonly http: HttpService) {}

  onModuleInit(): void {
    this.resilience = attach(this.http.axiosRef);
  }

  onModuleDestroy(): void {
    this.resilience?.close();
    this.resilience?.detach();
  }

  async find(id: string): Promise<unknown> {
    const { data } = await this.http.axiosRef.get<unknown>(`/users/${encodeURIComponent(id)}`);
    return data;
  }
}

@Controller('users')
export class UsersController {
  constructor(@Inject(UsersClient) private readonly users: UsersClient) {}

  @Get(':id')
  find(@Param('id') id: string): Promise<unknown> {
    return this.users.find(id);
  }
}

/** Nest answers 503 to a CircuitOpenError by itself; this adds `Retry-After`. */
@Catch(CircuitOpenError)
export class CircuitOpenFilter extends BaseExceptionFilter<CircuitOpenError> {
  override catch(error: CircuitOpenError, host: ArgumentsHost): void {
    host.switchToHttp().getResponse<Response>().set(error.headers);
    super.catch(error, host);
  }
}

@Module({
  // `register` makes an instance of its own. The plain HttpModule hands out the global axios, which all modules share.
  imports: [HttpModule.register({ baseURL: process.env['UPSTREAM'] ?? 'https://api.example.com', timeout: 2_000 })],
  controllers: [UsersController],
  providers: [UsersClient, { provide: APP_FILTER, useClass: CircuitOpenFilter }],
  exports: [UsersClient],
})
export class UsersModule {}
