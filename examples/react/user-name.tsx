// A component that fetches. Run: copy it with api.ts into an app made by `npm create vite@latest -- --template react-ts`
import { isCancel } from 'axios';
import { isRejectedError } from 'axios-resilience';
import { useEffect, useState } from 'react';
import { api } from './api.js';

interface User {
  readonly name: string;
}

export function UserName({ id }: { readonly id: string }) {
  const [text, setText] = useState('…');

  useEffect(() => {
    const controller = new AbortController(); // ends the call and its waits: StrictMode mounts twice
    api.get<User>(`/users/${encodeURIComponent(id)}`, { signal: controller.signal }).then(
      ({ data }) => setText(data.name),
      (error: unknown) => {
        if (isCancel(error)) return;
        setText(isRejectedError(error) ? `Try again in ${Math.ceil(error.retryAfterMs / 1_000)} s` : 'Not available');
      },
    );
    return () => controller.abort();
  }, [id]);

  return <span>{text}</span>;
}
