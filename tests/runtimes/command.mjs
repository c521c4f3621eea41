import { smoke } from './smoke.mjs';

const given = globalThis.Deno ? globalThis.Deno.args : process.argv.slice(2);
console.log(JSON.stringify(await smoke(JSON.parse(given[0]))));
