import { smoke } from './smoke.mjs';

export default {
  fetch: async (request) => Response.json(await smoke(await request.json())),
};
