/** Workbooks of spreadsheet programs as rows of text, and back. */
import { address, api, headers, problemOf, reach } from './client'

/** The first sheet. */
export async function readBook(file: File): Promise<string[][]> {
  const form = new FormData()
  form.set('file', file)
  return (await api.post<{ rows: string[][] }>('/workbooks/read', form)).rows
}

export async function writeBook(rows: string[][]): Promise<Blob> {
  const url = address('/workbooks/write')
  const answer = await reach(url, { method: 'POST', headers: { ...headers('POST'), 'Content-Type': 'application/json' }, body: JSON.stringify({ rows }), credentials: 'same-origin' })
  if (!answer.ok) throw problemOf(answer.status, answer.headers.get('Retry-After'), await answer.text(), `POST ${url}`)
  return answer.blob()
}
