// A Nest service in front of another one. Run: PORT=3000 UPSTREAM=https://api.example.com npx tsx examples/nestjs/main.ts
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { UsersModule } from './users.module.js';

const app = await NestFactory.create(UsersModule);
app.enableShutdownHooks();
await app.listen(Number(process.env['PORT'] ?? 3000));
console.log(`listening on ${new URL(await app.getUrl()).port}`);
