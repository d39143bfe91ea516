/** For `npm run dev` without a gateway: answers the shapes of docs/http.md from generated data. Never in the build. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Plugin } from 'vite'
import { answer, people } from './county'
import { operations } from './operations'

const COOKIE = 'gateway_session'

export function mockGateway(): Plugin {
  return {
    name: 'mock-gateway',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        if (!request.url?.startsWith('/api/v1/')) return next()
        void respond(request, response)
      })
    },
  }
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://local')
  const path = url.pathname.slice('/api/v1'.length)
  if (path === '/events') return stream(response)
  const body = await read(request)
  const username = new RegExp(`${COOKIE}=(\\w+)`).exec(request.headers.cookie ?? '')?.[1]
  const language = request.headers['accept-language']?.startsWith('en') ? 'en' : 'zh'
  if (path === '/session' && request.method === 'POST') {
    const known = people[(body as { username: string }).username]
    if (!known) return send(response, 401, problem('wrong_credentials', 401, language === 'en' ? 'User name or password is wrong.' : '用户名或密码不对。'))
    response.setHeader('Set-Cookie', `${COOKIE}=${known.username}; Path=/; HttpOnly; SameSite=Strict`)
    return send(response, 200, { token: 'mock', user: known })
  }
  const verifying = path.startsWith('/verifications/')
  const user = username ? people[username] : undefined
  if (!user && !verifying) return send(response, 401, problem('not_signed_in', 401, '请先登录。'))
  if (path === '/session' && request.method === 'DELETE') {
    response.setHeader('Set-Cookie', `${COOKIE}=; Path=/; Max-Age=0`)
    return send(response, 204, undefined)
  }
  const result = operations(request.method ?? 'GET', path, url.searchParams, body as Record<string, unknown>) ?? answer(request.method ?? 'GET', path, url.searchParams, body as Record<string, unknown>, user, request.headers)
  send(response, result.status, result.body, result.type)
}

function stream(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
  response.write(': open\n\n')
  const beat = setInterval(() => response.write('event: changed\ndata: {"topics": ["worklist", "returns", "system", "held"]}\n\n'), 20_000)
  response.on('close', () => clearInterval(beat))
}

export function problem(code: string, status: number, detail: string): object {
  return { type: 'about:blank', title: code, status, detail, code }
}

function send(response: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  response.statusCode = status
  response.setHeader('Content-Type', status >= 400 ? 'application/problem+json' : type)
  response.end(body === undefined ? '' : body instanceof Uint8Array ? body : JSON.stringify(body))
}

async function read(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const text = Buffer.concat(parts).toString('utf8')
  return request.headers['content-type']?.includes('json') && text ? JSON.parse(text) : {}
}
