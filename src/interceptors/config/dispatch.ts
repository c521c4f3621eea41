import { Axios, AxiosHeaders, type AxiosInstance, type AxiosResponse, type InternalAxiosRequestConfig } from 'axios';

type Config = InternalAxiosRequestConfig;

/** Sends a config as it is: transforms, adapter, transforms; no defaults, no interceptors, nothing merged or copied. */
export type Dispatch = (config: Dispatched) => Promise<AxiosResponse>;

/** Its headers may be of another copy of axios than the instance, or plain: they become those of the instance. */
type Dispatched = Omit<Config, 'headers'> & { readonly headers: object };

/** The name under which a config passes through axios's merge: functions are not cloned. */
interface Envelope {
  readonly resilienceConfig: () => Dispatched;
}

/**
 * Lets axios's own `dispatchRequest` send a config, of the version and copy of axios that the instance is of. It is reached
 * through `request` of a private instance: what `request` merges there is an empty config, and the one request interceptor
 * puts the real one in its place.
 */
export function dispatchOf(bare: AxiosInstance): Dispatch {
  const open = (envelope: unknown) => (envelope as Envelope).resilienceConfig() as Config;
  bare.interceptors.request.use(open, undefined, { synchronous: true });
  return (config) => {
    Reflect.set(config, 'headers', { ...config.headers });
    return bare.request({ resilienceConfig: () => config } as object);
  };
}

/** An instance like the given one, of the same copy of axios, with neither its interceptors nor any defaults. */
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

const FIELDS = ['adapter', 'baseURL', 'data', 'params', 'url'] as const;

/** The fields of a config that dispatching may change. */
export type Fields = Pick<InternalAxiosRequestConfig<unknown>, (typeof FIELDS)[number]>;

/** What axios would not send, since it is inherited, must not be sent because it was copied. */
export function fieldsOf(config: InternalAxiosRequestConfig<unknown>): Fields {
  const { adapter, baseURL, data, url } = config;
  const params: unknown = config.params;
  const isPlain = Object.getPrototypeOf(config) === null;
  const own = (name: keyof Fields, value: unknown) => (isPlain || Object.hasOwn(config, name) ? value : undefined);
  return {
    adapter: own('adapter', adapter),
    baseURL: own('baseURL', baseURL),
    data: own('data', data),
    params: own('params', params),
    url: own('url', url),
  } as Fields;
}

/**
 * A config like the given one, of the same values by reference, getters too, but for its fields and headers; what somebody
 * has made read-only can be written again.
 */
export function configLike(config: Config, fields: Fields, headers: object): Config {
  const descriptors: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(config);
  for (const descriptor of Object.values(descriptors)) {
    descriptor.configurable = true;
    if ('value' in descriptor) descriptor.writable = true;
  }
  const like = Object.create(Object.getPrototypeOf(config) as object | null, descriptors) as Config;
  for (const name of FIELDS) {
    const value: unknown = fields[name];
    if (value === undefined) delete like[name];
    else define(like, name, value);
  }
  define(like, 'headers', new AxiosHeaders({ ...headers }));
  return like;
}

/** Also where somebody has put a getter. */
const define = (config: Config, name: keyof Config, value: unknown): unknown =>
  Object.defineProperty(config, name, { value, writable: true, enumerable: true, configurable: true });
