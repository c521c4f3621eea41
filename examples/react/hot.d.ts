/** As in `vite/client`: there in development only. */
interface ImportMeta {
  readonly hot?: { dispose(callback: () => void): void };
}
