import { effectScope } from 'vue'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LabResults } from '@/api/lab'
import { useLabSheet, type LabSheet } from './store'
import { item } from './made'

class Events {
  onopen = null
  onerror = null
  addEventListener(): void {}
  close(): void {}
}

/** A gateway that answers when it is told to. */
const asked: { method: string; url: string; body: unknown; answer: (status: number, body: unknown) => void }[] = []
const real = { fetch: globalThis.fetch, EventSource: globalThis.EventSource }
const settle = () => new Promise((resolve) => setTimeout(resolve, 0))
const sheetOf = (value: string): LabResults => ({ examination_id: 'e', specimen: null, counts: { ordered: 1, resulted: 1, waiting: 1, abnormal: 0, critical: 0, held: 0, rerun: 0 }, items: [item('K', { value })], attachments: [], held: [] })

beforeEach(() => {
  asked.length = 0
  globalThis.EventSource = Events as unknown as typeof EventSource
  globalThis.fetch = ((url: string, { method, body }: RequestInit) =>
    new Promise((resolve) => asked.push({ method: method!, url, body: body ? JSON.parse(String(body)) : undefined, answer: (status, said) => resolve(new Response(JSON.stringify(said), { status })) }))) as typeof fetch
})
afterEach(() => void Object.assign(globalThis, real))

function opened(): LabSheet {
  return effectScope().run(() => useLabSheet('task'))!
}

describe('the sheet while it is read', () => {
  it('asks one question at a time however often something changes, and once more for what changed meanwhile', async () => {
    const sheet = opened()
    const first = sheet.open('e')
    void sheet.load()
    void sheet.load()
    expect(asked).toHaveLength(1)
    asked[0]!.answer(200, sheetOf('4.1'))
    await settle()
    expect(sheet.items.value[0]!.result!.value).toBe('4.1')
    expect(asked).toHaveLength(2)
    asked[1]!.answer(200, sheetOf('4.2'))
    await first
    expect(sheet.items.value[0]!.result!.value).toBe('4.2')
    expect(asked).toHaveLength(2)
  })

  it('verifies what was seen with its reason, and shows what moved on beside the refusal', async () => {
    const sheet = opened()
    const first = sheet.open('e')
    asked[0]!.answer(200, sheetOf('6.9'))
    await first
    const done = sheet.verify(['r1'], '已复核')
    expect([asked[1]!.method, asked[1]!.url, asked[1]!.body]).toEqual(['POST', '/api/v1/tasks/task/results/verify', { result_ids: ['r1'], reason: '已复核' }])
    expect(await sheet.verify(['r1'])).toBe(false)
    asked[1]!.answer(409, { code: 'result_moved_on', detail: '结果已被更正' })
    await settle()
    asked[2]!.answer(200, sheetOf('5.0'))
    expect(await done).toBe(false)
    expect(sheet.items.value[0]!.result!.value).toBe('5.0')
    expect((sheet.problem.value as Error).message).toBe('结果已被更正')
    expect(sheet.busy.value).toBe(false)
  })
})
