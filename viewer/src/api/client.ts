/** The one door to the gateway: JSON in, JSON out; an answer that is not 2xx becomes a Problem. */

export interface FieldError {
  field: string
  message: string
}

/** What went wrong, with what a person reads (`detail`) and what an engineer asks for (`technical`). */
export class Problem extends Error {
  readonly at = new Date()

  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly request: string,
    readonly body: Record<string, unknown> = {},
    readonly retryAfter: number | null = null,
  ) {
    super(detail || title)
  }

  get errors(): FieldError[] {
    return Array.isArray(this.body.errors) ? (this.body.errors as FieldError[]) : []
  }

  get technical(): string {
    const body = Object.keys(this.body).length ? `\n${JSON.stringify(this.body, null, 2)}` : ''
    return `${this.at.toISOString()}\n${this.request}\n${this.status || '-'} ${this.code}${body}`
  }
}

type QueryValue = string | number | boolean | string[] | null | undefined
export type Query = Record<string, QueryValue>

export interface Call {
  query?: object
  body?: unknown
  ifMatch?: number | string
  signal?: AbortSignal
  keepalive?: boolean
}

const context = { csrf: '', language: 'zh-CN', signedOut: () => {} }

/** The session store tells the client who is signed in, in which language, and whom to tell about a 401. */
export function configure(part: Partial<typeof context>): void {
  Object.assign(context, part)
}

export function address(path: string, query?: object): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries((query ?? {}) as Query)) {
    if (value === undefined || value === null || value === '' || value === false) continue
    for (const one of Array.isArray(value) ? value : [value]) search.append(key, String(one))
  }
  const text = search.toString()
  return `/api/v1${path}${text ? `?${text}` : ''}`
}

export function headers(method: string): Record<string, string> {
  const changing = method !== 'GET'
  return {
    Accept: 'application/json',
    'Accept-Language': context.language,
    ...(changing && context.csrf ? { 'X-CSRF-Token': context.csrf } : {}),
  }
}

async function call<T>(method: string, path: string, options: Call = {}): Promise<T> {
  const url = address(path, options.query)
  const head = headers(method)
  let body: BodyInit | undefined
  if (options.body instanceof FormData || options.body instanceof Blob) body = options.body
  else if (options.body !== undefined) {
    head['Content-Type'] = 'application/json'
    body = JSON.stringify(options.body)
  }
  if (options.ifMatch !== undefined) head['If-Match'] = `"${options.ifMatch}"`
  const answer = await reach(url, { method, headers: head, body, signal: options.signal, keepalive: options.keepalive, credentials: 'same-origin' })
  return answered<T>(answer, `${method} ${url}`)
}

async function answered<T>(answer: Response, request: string): Promise<T> {
  const text = await answer.text()
  if (answer.ok) return (text ? JSON.parse(text) : undefined) as T
  const problem = problemOf(answer.status, answer.headers.get('Retry-After'), text, request)
  if (answer.status === 401 && problem.code !== 'wrong_credentials') context.signedOut()
  throw problem
}

export function problemOf(status: number, retryAfter: string | null, text: string, request: string): Problem {
  let body: Record<string, unknown>
  try {
    body = JSON.parse(text) as Record<string, unknown>
  } catch {
    body = text ? { text: text.slice(0, 2000) } : {}
  }
  const word = (key: string) => (typeof body[key] === 'string' ? (body[key] as string) : '')
  return new Problem(status, word('code') || `http_${status}`, word('title'), word('detail'), request, body, retryAfter ? Number(retryAfter) : null)
}

/** What the server answers, whatever it is; a line that is away becomes a Problem. */
export async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Problem(0, 'unreachable', '', '', `${init.method ?? 'GET'} ${url}`, { cause: String(error) })
  }
}

/** A deed that says how far it is: each line of its answer, as it comes. */
export async function* lines<T>(path: string, ifMatch?: string): AsyncGenerator<T> {
  const url = address(path)
  const head = { ...headers('POST'), Accept: 'application/x-ndjson, application/json', ...(ifMatch ? { 'If-Match': `"${ifMatch}"` } : {}) }
  const answer = await reach(url, { method: 'POST', headers: head, credentials: 'same-origin' })
  if (!answer.ok || !answer.body) return void (await answered(answer, `POST ${url}`))
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const found = (rest + value).split('\n')
    rest = found.pop()!
    for (const line of found) yield JSON.parse(line) as T
  }
}

/** A file, as the server makes it. */
export async function fetchFile(path: string, query: object): Promise<{ data: Blob; rows: number; whole: boolean }> {
  const url = address(path, query)
  const answer = await reach(url, { headers: headers('GET'), credentials: 'same-origin' })
  if (!answer.ok) await answered(answer, `GET ${url}`)
  return { data: await answer.blob(), rows: Number(answer.headers.get('X-Rows')), whole: answer.headers.get('X-Whole') === 'true' }
}

export const api = {
  get: <T>(path: string, query?: object, signal?: AbortSignal) => call<T>('GET', path, { query, signal }),
  post: <T>(path: string, body?: unknown, options: Call = {}) => call<T>('POST', path, { ...options, body }),
  put: <T>(path: string, body?: unknown, options: Call = {}) => call<T>('PUT', path, { ...options, body }),
  patch: <T>(path: string, body?: unknown, options: Call = {}) => call<T>('PATCH', path, { ...options, body }),
  delete: <T>(path: string) => call<T>('DELETE', path),
}
