// The one axios instance of an app, attached once: a module is evaluated once, a component is rendered often.
import axios from 'axios';
import { attach } from 'axios-resilience';

export const api = axios.create({ baseURL: '/api', timeout: 10_000 });

export const resilience = attach(api, { retry: 2 });

// Vite evaluates the module again when it changes. Next and webpack: module.hot?.dispose(...)
import.meta.hot?.dispose(() => {
  resilience.close();
  resilience.detach();
});
