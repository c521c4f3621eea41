// The code that is tested in users.test.ts.
import axios from 'axios';
import { attach } from 'axios-resilience';

export const api = axios.create({ baseURL: 'https://api.example.com', timeout: 2_000 });
export const resilience = attach(api);

export async function nameOf(id: string): Promise<string> {
  const { data } = await api.get<{ name: string }>(`/users/${id}`, { resilience: { fallback: { name: 'somebody' } } });
  return data.name;
}
