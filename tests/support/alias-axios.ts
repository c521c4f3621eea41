import Module from 'node:module';

/**
 * vitest's alias reaches only what vitest transforms. CommonJS packages (axios-mock-adapter, axios-cache-interceptor)
 * require axios themselves; they get the version under test too.
 */
const version = process.env['AXIOS_VERSION'];

interface Resolver {
  _resolveFilename(request: string, ...rest: unknown[]): string;
}

if (version !== undefined) {
  const resolver = Module as unknown as Resolver;
  const original = resolver._resolveFilename;
  resolver._resolveFilename = function resolveAliased(request, ...rest) {
    return original.call(this, request === 'axios' ? `axios-${version}` : request, ...rest);
  };
}
