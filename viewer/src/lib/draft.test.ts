import { beforeEach, describe, expect, it, vi } from 'vitest'
import { Problem } from '@/api/client'
import type { Draft } from '@/api/types'
import { createDraft, type Words } from './draft'
import { ecgOf } from './written'

const KEY = 'gateway.draft.wang.task-1'
const draft = (findings: string, revision: number): Draft => ({
  findings, impression: '', critical: false, preliminary: false, content: null, clinical_information: null, revision, saved_at: '2026-11-21T06:32:05Z', saved_by: { id: 'w', name: '王' }, writer: { id: 'w', name: '王' }, state: 'draft',
})

/** A server with one draft that honours If-Match. */
function server(start: Draft | null = null) {
  const state = { current: start, calls: 0, away: false }
  async function save(words: Words, revision: number): Promise<Draft> {
    state.calls += 1
    if (state.away) throw new Problem(0, 'unreachable', '', '', 'PUT')
    if (revision !== (state.current?.revision ?? 0)) throw new Problem(412, 'draft_changed', '', '', 'PUT', { current: state.current })
    state.current = { ...draft('', revision + 1), ...words }
    return state.current
  }
  return { state, save }
}

describe('a draft', () => {
  beforeEach(() => {
    localStorage.clear()
    vi.useFakeTimers()
  })

  it('is saved a moment after the last key', async () => {
    const { state, save } = server()
    const mine = createDraft(KEY, save)
    mine.open(null)
    mine.words.findings = '双肺'
    mine.changed()
    mine.words.findings = '双肺纹理清晰'
    mine.changed()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(state.calls).toBe(1)
    expect(state.current?.findings).toBe('双肺纹理清晰')
    expect(mine.dirty).toBe(false)
    expect(localStorage.getItem(KEY)).toBeNull()
  })

  it('carries what an ECG says, whatever order the names come back in, and the flag that the server raised', async () => {
    const { state, save } = server()
    const mine = createDraft(KEY, async (words, revision) => {
      const answer = await save(words, revision)
      return { ...answer, critical: true }
    })
    mine.open(null)
    mine.words.content = { measurements: { qrs_ms: 92, source: { qrs_ms: 'cart' } }, statements: ['stemi_inferior'] }
    expect(mine.dirty).toBe(true)
    await mine.flush()
    expect(mine.dirty).toBe(false)
    expect(mine.words.critical).toBe(true)
    expect(ecgOf(state.current?.content ?? null)?.statements).toEqual(['stemi_inferior'])

    mine.follow({ ...state.current!, critical: true, content: { statements: ['stemi_inferior'], measurements: { source: { qrs_ms: 'cart' }, qrs_ms: 92 } }, revision: 2 })
    expect(mine.unread).toBeNull()
    mine.follow({ ...state.current!, critical: true, content: { statements: [], measurements: {} }, revision: 3 })
    expect(mine.unread?.revision).toBe(3)
    expect(ecgOf(mine.words.content)?.statements).toEqual([])
  })

  it('shows both when what an ECG says was changed elsewhere', async () => {
    const { save } = server(draft('', 4))
    const mine = createDraft(KEY, save)
    mine.open(draft('', 3))
    mine.words.content = { measurements: {}, statements: ['sinus_rhythm'] }
    await mine.flush()
    expect(mine.conflict?.revision).toBe(4)
    expect(ecgOf(mine.words.content)?.statements).toEqual(['sinus_rhythm'])
    await mine.keepMine()
    expect(mine.revision).toBe(5)
  })

  it('survives a reload while the server is away', async () => {
    const { state, save } = server()
    state.away = true
    const before = createDraft(KEY, save)
    before.open(null)
    before.words.impression = '未见异常'
    before.changed()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(before.problem).toBeInstanceOf(Problem)
    before.close()

    state.away = false
    const after = createDraft(KEY, save)
    after.open(null)
    expect(after.words.impression).toBe('未见异常')
    await vi.advanceTimersByTimeAsync(10)
    expect(state.current?.impression).toBe('未见异常')
  })

  it('tries again by itself when the server comes back', async () => {
    const { state, save } = server()
    const mine = createDraft(KEY, save)
    mine.open(null)
    state.away = true
    mine.words.findings = 'a'
    mine.changed()
    await vi.advanceTimersByTimeAsync(1_000)
    state.away = false
    await vi.advanceTimersByTimeAsync(5_100)
    expect(state.current?.findings).toBe('a')
    expect(mine.problem).toBeNull()
  })

  it('never writes over what another window saved', async () => {
    const { state, save } = server(draft('old', 1))
    const mine = createDraft(KEY, save)
    mine.open(state.current)
    state.current = draft('theirs', 2)
    mine.words.findings = 'mine'
    mine.changed()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(state.current.findings).toBe('theirs')
    expect(mine.conflict?.findings).toBe('theirs')
    expect(await mine.flush()).toBe(false)

    expect(await mine.keepMine()).toBe(true)
    expect(state.current.findings).toBe('mine')
  })

  it('knows its own save again when the answer was lost on the way, and goes on', async () => {
    const { state, save } = server()
    let lost = true
    const mine = createDraft(KEY, async (words, revision) => {
      const answer = await save(words, revision)
      if (lost) throw new Problem(0, 'unreachable', '', '', 'PUT')
      return answer
    })
    mine.open(null)
    mine.words.findings = 'a'
    expect(await mine.flush()).toBe(false)
    lost = false
    mine.words.findings = 'ab'
    mine.changed()
    expect(await mine.flush()).toBe(false)
    expect([mine.conflict, mine.words.findings]).toEqual([null, 'ab'])
    await vi.advanceTimersByTimeAsync(10)
    expect([state.current?.findings, mine.dirty]).toEqual(['ab', false])

    lost = true
    mine.words.findings = 'abc'
    expect(await mine.flush()).toBe(false)
    mine.follow(state.current)
    expect([mine.conflict, mine.dirty, mine.revision]).toEqual([null, false, state.current?.revision])
  })

  it('gives way to theirs when asked', async () => {
    const { state, save } = server(draft('old', 1))
    const mine = createDraft(KEY, save)
    mine.open(state.current)
    mine.words.findings = 'mine'
    mine.changed()
    mine.follow(draft('theirs', 2))
    expect(mine.conflict?.findings).toBe('theirs')
    mine.takeTheirs()
    expect(mine.words.findings).toBe('theirs')
    expect(localStorage.getItem(KEY)).toBeNull()
  })

  it('asks when words kept here are older than the draft on the server', () => {
    const { save } = server()
    localStorage.setItem(KEY, JSON.stringify({ findings: 'kept', impression: '', critical: false, preliminary: false, revision: 1 }))
    const mine = createDraft(KEY, save)
    mine.open(draft('newer', 3))
    expect(mine.words.findings).toBe('kept')
    expect(mine.conflict?.findings).toBe('newer')
  })

  it('follows the server silently while nothing was typed', () => {
    const { save } = server()
    const mine = createDraft(KEY, save)
    mine.open(draft('one', 1))
    mine.follow(draft('two', 2))
    expect(mine.words.findings).toBe('two')
    expect(mine.conflict).toBeNull()
  })

  it('asks for another look when the words changed under the reader', () => {
    const mine = createDraft(KEY, server().save)
    mine.open(draft('one', 1))
    mine.follow(draft('one', 2))
    expect(mine.unread).toBeNull()
    mine.follow(draft('two', 3))
    expect(mine.unread?.findings).toBe('two')
    mine.noteRead()
    expect(mine.unread).toBeNull()
  })

  it('shows the newer words when a decision about older ones was refused', () => {
    const mine = createDraft(KEY, server().save)
    mine.open(draft('one', 1))
    expect(mine.overtaken(new Problem(409, 'conflict', '', '', 'POST'))).toBe(false)
    expect(mine.overtaken(new Problem(412, 'draft_changed', '', '', 'POST', { current: draft('two', 4) }))).toBe(true)
    expect([mine.words.findings, mine.revision, mine.unread?.revision]).toEqual(['two', 4, 4])
  })

  it('keeps what was typed beside the newer words when a decision was refused', () => {
    const mine = createDraft(KEY, server().save)
    mine.open(draft('one', 1))
    mine.words.findings = 'mine'
    expect(mine.overtaken(new Problem(412, 'draft_changed', '', '', 'POST', { current: draft('two', 4) }))).toBe(true)
    expect([mine.words.findings, mine.conflict?.findings]).toEqual(['mine', 'two'])
  })

  it('saves what was typed while a save was on its way', async () => {
    const { state, save } = server()
    const mine = createDraft(KEY, save)
    mine.open(null)
    mine.words.findings = 'a'
    mine.changed()
    const first = mine.flush()
    mine.words.findings = 'ab'
    mine.changed()
    await first
    expect(await mine.flush()).toBe(true)
    expect(state.current?.findings).toBe('ab')
  })
})
