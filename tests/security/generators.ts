import fc from 'fast-check';

/** A part of a secret that stands for itself wherever it is shown: no port, and no word of ours. */
const fragment = fc.stringMatching(/^zq[a-z]{6}$/);

/** What people forget to escape in a password. */
const SPECIAL = ['/', '?', '#', ':', ';', '&', '=', '%', '+', '$', '!', ',', '*', '(', ')', '[', ']', '|', '~', '\\'];
const SPACES_AND_QUOTES = [' ', '"', "'", '<', '>'];

/** A secret, and all that must not be shown of it. */
export interface Secret {
  readonly text: string;
  readonly fragments: readonly string[];
}

const joined = (separators: readonly string[]): fc.Arbitrary<Secret> =>
  fc
    .tuple(
      fc.array(fc.tuple(fragment, fc.constantFrom(...separators)), { minLength: 1, maxLength: 4 }),
      fc.constantFrom('', ...separators),
      fc.boolean(),
    )
    .map(([parts, first, endsPlain]) => {
      const text = first + parts.map(([word, separator]) => word + separator).join('');
      return { text: endsPlain ? text.slice(0, -1) : text, fragments: parts.map(([word]) => word) };
    });

const password = fc.oneof(joined(SPECIAL), joined([...SPECIAL, ...SPACES_AND_QUOTES]), joined(['@', '!', ':']));
/** One that a word of a text can hold. */
const wordPassword = fc.oneof(joined(SPECIAL), joined(['@', '!', ':']));
const plainSecret = fragment.map((text): Secret => ({ text, fragments: [text] }));

const host = fc.constantFrom('api.example.com', 'API.Example.com:8443', '127.0.0.1:80', '[::1]:9000', 'localhost');
const path = fc.constantFrom('', '/', '/v1', '/v1/', '/@scope/pkg', '/a//b', '/%7Bid%7D');
const query = plainSecret.chain(({ text, fragments }) =>
  fc.constantFrom(
    { text: '', fragments: [] },
    { text: `?token=${text}`, fragments },
    { text: `#access_token=${text}`, fragments },
    { text: `?a=1&sig=${text}#top`, fragments },
  ),
);

const WELL_FORMED = ['https://', 'http://', 'HTTPS://', '//', 'ws://'];
const MALFORMED = ['http:/', 'http:', 'http:\\\\', 'https:\\', 'http:///', ' http://', '\thttps://', 'user:'];

export interface UrlWithSecret {
  readonly url: string;
  readonly fragments: readonly string[];
}

const urlWith = (begin: readonly string[], secret: fc.Arbitrary<Secret>): fc.Arbitrary<UrlWithSecret> =>
  fc
    .tuple(fc.constantFrom(...begin), secret, host, path, query)
    .map(([scheme, { text, fragments }, where, to, asked]) => ({
      url: `${scheme}user:${text}@${where}${to}${asked.text}`,
      fragments: [...fragments, ...asked.fragments],
    }));

const nested = urlWith(WELL_FORMED, password).chain(({ url, fragments }) =>
  fc.constantFrom(
    { url: `https://proxy.example.com/${url}`, fragments },
    { url: `https://proxy.example.com/${encodeURIComponent(url)}`, fragments },
    { url: `https://proxy.example.com/v1?to=${url}`, fragments },
  ),
);

/** A URL with credentials, escaped or not, in its place or not. */
export const urlWithSecret = fc.oneof(urlWith(WELL_FORMED, password), urlWith(MALFORMED, wordPassword), nested);

/** One that stands in a text, where nothing tells where it ends but a space. */
const quotedUrl = fc.oneof(urlWith(WELL_FORMED, password), urlWith(MALFORMED.slice(0, 5), wordPassword));

const NAMES = [
  'Authorization', 'authorization', 'Proxy-Authorization', 'Cookie', 'Set-Cookie', 'x-api-key', 'api_key', 'apiKey', 'X-Auth-Token',
  'access_token', 'refreshToken', 'client_secret', 'password', 'Passwd', 'passphrase', 'X-Amz-Security-Token', 'sessionId',
  'X-CSRF-Token', 'private_key', 'x-vault-token', 'AccountKey', 'SharedAccessSignature', 'credentials', 'jwt',
]; // biome-ignore format: one name after the other

const assignment = fc
  .tuple(fc.constantFrom(...NAMES), plainSecret)
  .chain(([name, { text, fragments }]) =>
    fc.constantFrom(
      ...[
        `${name}: ${text}`,
        `${name}:${text}`,
        `${name}=${text}`,
        `${name} = ${text}`,
        `"${name}":"${text}"`,
        `{ '${name}': '${text}', a: 1 }`,
        `'${name}': [ 'a', '${text}' ]`,
        `${name}: [\n  '${text}'\n]`,
        `[ '${name}', '${text}' ]`,
        `["${name}","${text}"]`,
        `${name}: Bearer ${text}`,
      ].map((quoted) => ({ url: quoted, fragments })),
    ),
  );

const scheme = fc.tuple(fc.constantFrom('Bearer', 'bearer', 'Basic', 'Digest'), plainSecret).map(([name, secret]) => ({
  url: `${name} ${secret.text}`,
  fragments: secret.fragments,
}));

/** The message of an error that quotes something secret. */
export const messageWithSecret = fc
  .tuple(
    fc.oneof(quotedUrl, assignment, scheme),
    fc.constantFrom('', 'GET ', 'failed (', '{"url":"'),
    fc.constantFrom('', ' failed', '")', '\n at x'),
  )
  .map(([{ url, fragments }, before, after]) => ({ message: before + url + after, fragments }));

/** Whatever a caller of JavaScript may give. */
export const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  maxDepth: 3,
});
