import { Axios, type AxiosInstance } from 'axios';

/**
 * An instance like the given one, of the same copy of axios, with neither its interceptors nor any defaults: what is sent
 * through it is merged with nothing a second time.
 */
export function bareInstance(instance: AxiosInstance): AxiosInstance {
  const bare = created(instance);
  for (const name of Object.keys(bare.defaults)) delete bare.defaults[name as keyof typeof bare.defaults];
  bare.interceptors.request.clear();
  bare.interceptors.response.clear();
  return bare;
}

function created(instance: AxiosInstance): AxiosInstance {
  const { create } = instance as { create?: () => Partial<AxiosInstance> | undefined };
  const bare = typeof create === 'function' ? create() : new (classOf(instance))({});
  // `create` may be stubbed to return the instance itself, as tests do.
  const isOwn = bare?.interceptors && bare.defaults && bare.defaults !== instance.defaults;
  return (isOwn ? bare : new Axios({})) as AxiosInstance;
}

/** The axios class below all subclasses, since those may attach in their constructor or override `request`. */
function classOf(instance: AxiosInstance): new (config: object) => Partial<AxiosInstance> {
  let found: unknown = Axios;
  for (let proto: unknown = Object.getPrototypeOf(instance); proto; proto = Object.getPrototypeOf(proto)) {
    if (Object.hasOwn(proto, 'request')) found = proto.constructor;
  }
  return found as never;
}
