const SLASHES = /[/\\]{2,}/g;
const END_OF_AUTHORITY = /[\s/\\?#"'<>]/;
const END_OF_PATH = /\s|[/\\]{2}/;
/** A host, and perhaps a port: what else a colon parts is a user's name and a password. */
const HOST_AND_PORT = /^(?:\[[^\]]*\]|[^:]*)(?::\d+)?[),.;\]}]*$/;
const COLON = /:|%(?:25)*3a/i;
/** Up to the last at sign; one at the beginning of a segment is usual: `/@scope`. */
const USERINFO = /^.*(?:[^/\\]@|%(?:25)*40)/s;
const USERINFO_WITH_PASSWORD = /^.*(?:@|%(?:25)*40)/s;

/** Stands at the end of a text that was cut. */
const CUT = '…';

/** The beginning of a text, up to a space: half a word could be half a secret that nothing tells from a word. */
export function shortened(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const beginning = text.slice(0, longest);
  return beginning.slice(0, Math.max(0, ...[' ', '\n', '\t'].map((space) => beginning.lastIndexOf(space) + 1))) + CUT;
}

/** A path without what looks like the credentials or the query of a URL within it, and without parameters (`;name=value`). */
export function pathWithoutCredentials(path: string): string {
  const userinfo = COLON.test(path) ? USERINFO_WITH_PASSWORD : USERINFO;
  return path
    .replace(/;[^/;]*=[^/;]*/g, '')
    .replace(userinfo, '/***/')
    .replace(/%(?:25)*(?:3f|23).*/is, '')
    .replace(/([/\\]{2})[^/\\]*:(?!\d+(?:[/\\]|$)).*/s, '$1***');
}

function urlTextWithoutCredentials(text: string): string {
  let shown = '';
  let from = 0;
  const endOf = (pattern: RegExp, start: number) => {
    const length = text.slice(start).search(pattern);
    return length < 0 ? text.length : start + length;
  };
  SLASHES.lastIndex = 0;
  for (let slashes = SLASHES.exec(text); slashes; slashes = SLASHES.exec(text)) {
    const start = SLASHES.lastIndex;
    shown += text.slice(from, start);
    const endOfAuthority = endOf(END_OF_AUTHORITY, start);
    const authority = text.slice(start, endOfAuthority);
    const host = authority.slice(authority.lastIndexOf('@') + 1);
    if (HOST_AND_PORT.test(host)) {
      // A URL within it is the next to be looked at.
      const end = endOf(END_OF_PATH, endOfAuthority);
      const isPath = /[/\\]/.test(text[endOfAuthority] ?? '');
      shown += host + (isPath ? pathWithoutCredentials(text.slice(endOfAuthority, end)) : '');
      from = isPath ? end : endOfAuthority;
    } else {
      const at = text.lastIndexOf('@');
      from = at > start ? at + 1 : text.endsWith(CUT) ? text.length : endOfAuthority;
      if (at <= start) shown += host.split(':', 1).join();
    }
    SLASHES.lastIndex = from;
  }
  return shown + text.slice(from);
}

/** Leaves the at sign, by which what stands before it can be told as well. */
const DROPPED = '\0@';
/** Credentials behind a scheme that lacks slashes, or in the place of a scheme. */
const WORD_WITH_USERINFO = /^[^\s/\\:@]+:(?![/\\]{2}).+@/;

/** A text without what looks like the credentials of a URL, however malformed. For texts of bounded length. */
export const withoutCredentials = (text: string): string =>
  text.includes('@') || text.includes('//')
    ? urlTextWithoutCredentials(
        text.replace(/[^\s"'<>]+/g, (word) => word.replace(WORD_WITH_USERINFO, DROPPED)),
      ).replaceAll(DROPPED, '')
    : text;

/** The same of what is one URL from its beginning to its end. */
export function urlWithoutCredentials(url: string): string {
  const at = url.lastIndexOf('@');
  if (/^\s*(?:[a-z][a-z\d+\-.]*:)?[/\\]{2}/i.test(url)) return urlTextWithoutCredentials(url);
  return url.slice(0, Math.max(0, at)).includes(':') ? url.slice(at + 1) : url;
}

const LONGEST_MESSAGE = 2_000;

/** What a message may quote of a request besides: queries of URLs, and values of headers and fields. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/(:\/\/[^\s?#"'<>]*)[?#][^\s"'<>]*/g, '$1'],
  [/[?#&][^\s?#&="'<>]*=[^\s"'<>]*/g, ''],
  [
    /((?:auth(?:entication|orization)?|cookie|pass(?:w(?:or)?d|phrase|code)?|pwd|secret|token|credential|(?:api|access|private|account|shared)[-_ ]?key|signature|sess(?:ion)?[-_]?id|jwt)[\w-]{0,20}["'\]]*\s*(?:[:=]|,\s*(?=["'[])))(\s*).*/is,
    '$1$2***',
  ],
  [/\b(bearer|basic|digest|negotiate)\s+[^\s"',;]+/gi, '$1 ***'],
  [/\beyJ[\w-]+(?:\.[\w-]*)*/g, '***'],
];

function textOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return 'an error that cannot be shown';
  }
}

/** An error's name and message, fit for a log: its beginning, without what looks like a secret. */
export const withoutSecrets = (error: unknown): string =>
  SECRETS.reduce(
    (text, [secret, shown]) => text.replace(secret, shown),
    withoutCredentials(shortened(textOf(error), LONGEST_MESSAGE)),
  );
