import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Sink } from 'axios-resilience';
import { prometheusSink } from 'axios-resilience/prometheus';
import promClient from 'prom-client';

/** What happens, for Prometheus to scrape; 0 takes any free port. Keeps the process alive. */
export async function serveMetrics(port: number): Promise<{ readonly url: string; readonly sink: Sink }> {
  const sink = prometheusSink(promClient);
  const server = createServer((_request, response) => {
    void promClient.register.metrics().then((text) => {
      response.writeHead(200, { 'content-type': promClient.register.contentType }).end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`, sink };
}
