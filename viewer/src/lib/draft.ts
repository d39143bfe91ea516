/**
 * The words of a report while they are written: saved by themselves, never lost, never written over somebody else's.
 *
 * Every change goes to this computer's storage at once and to the server a moment later with `If-Match`.
 * When the draft changed elsewhere (412), nothing is saved until the person has chosen.
 */
import { computed, reactive, ref, shallowRef } from 'vue'
import { Problem } from '@/api/client'
import type { Draft } from '@/api/types'
import type { DraftContent } from './written'

export interface Words {
  findings: string
  impression: string
  critical: boolean
  preliminary: boolean
  /** Whether something was found; null: the words decide. */
  positive?: boolean | null
  /** Replaced as a whole, never changed in place. */
  content: DraftContent | null
}

export type SaveDraft = (words: Words, revision: number, keepalive: boolean) => Promise<Draft>

interface Kept extends Words {
  revision: number
}

const QUIET_MS = 900
const RETRY_MS = 5_000
const EMPTY: Words = { findings: '', impression: '', critical: false, preliminary: false, positive: null, content: null }

export function wordsOf(draft: Words | null): Words {
  if (!draft) return { ...EMPTY }
  const { findings, impression, critical, preliminary } = draft
  return { findings, impression, critical, preliminary, positive: draft.positive ?? null, content: draft.content ?? null }
}

/** Alike whatever the order of the names: a database gives them back in its own. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, one]) => [name, inOrder(one)]))
}

const sameContent = (a: DraftContent | null, b: DraftContent | null): boolean => JSON.stringify(inOrder(a)) === JSON.stringify(inOrder(b))

export function sameWords(a: Words, b: Words): boolean {
  return a.findings === b.findings && a.impression === b.impression && a.critical === b.critical && a.preliminary === b.preliminary && (a.positive ?? null) === (b.positive ?? null) && sameContent(a.content, b.content)
}

export function createDraft(key: string, save: SaveDraft, storage: Storage = localStorage) {
  const words = reactive<Words>({ ...EMPTY })
  const revision = ref(0)
  const savedAt = ref<string | null>(null)
  const saving = ref(false)
  const problem = shallowRef<unknown>(null)
  const conflict = shallowRef<Draft | null>(null)
  /** Newer words that came while these were shown, until the person says that they have read them. */
  const unread = shallowRef<Draft | null>(null)
  const saved = shallowRef<Words>({ ...EMPTY })
  /** What was sent and never answered for: on a bad line it may have been kept all the same. */
  let unanswered: Words[] = []
  const dirty = computed(() => !sameWords(words, saved.value))
  let timer: ReturnType<typeof setTimeout> | null = null
  let running: Promise<boolean> | null = null

  function keep(): void {
    if (dirty.value) storage.setItem(key, JSON.stringify({ ...words, revision: revision.value } satisfies Kept))
    else storage.removeItem(key)
  }

  function kept(): Kept | null {
    const text = storage.getItem(key)
    return text === null ? null : (JSON.parse(text) as Kept)
  }

  function adopt(draft: Draft | null): void {
    saved.value = wordsOf(draft)
    Object.assign(words, saved.value)
    revision.value = draft?.revision ?? 0
    savedAt.value = draft?.saved_at ?? null
    conflict.value = null
    problem.value = null
  }

  /** What the server has, then what this computer still holds of an earlier visit. */
  function open(draft: Draft | null): void {
    const before = kept()
    adopt(draft)
    if (!before || sameWords(before, saved.value)) return keep()
    Object.assign(words, wordsOf(before))
    if (before.revision === revision.value || !draft) schedule(0)
    else conflict.value = draft
  }

  /** A newer draft was read from the server: taken when nothing of ours would be lost. */
  function follow(draft: Draft | null): void {
    if (!draft || draft.revision <= revision.value || saving.value || isOwn(draft)) return
    if (dirty.value) conflict.value = draft
    else show(draft)
  }

  /** Whether a newer draft is our own save, whose answer was lost on the way: no conflict, what follows builds upon it. */
  function isOwn(draft: Draft): boolean {
    const kept = unanswered.find((one) => sameWords({ ...one, critical: draft.critical }, wordsOf(draft)))
    if (!kept) return false
    settle(kept, draft)
    if (dirty.value) schedule(0)
    return true
  }

  /** The server has these words. */
  function settle(had: Words, draft: Draft): void {
    saved.value = { ...had, critical: draft.critical }
    // What is critical by a statement of it is so whatever was ticked.
    if (words.critical === had.critical) words.critical = draft.critical
    revision.value = draft.revision
    savedAt.value = draft.saved_at
    problem.value = null
    unanswered = []
    keep()
  }

  /** Other words than those that a person has read: they look again before they decide. */
  function show(draft: Draft): void {
    const same = sameWords(wordsOf(draft), words)
    adopt(draft)
    if (!same) unread.value = draft
  }

  /** A decision about these words was refused with 412. True when it was: the newer ones are shown now. */
  function overtaken(error: unknown): boolean {
    if (!(error instanceof Problem) || error.status !== 412) return false
    const current = (error.body.current as Draft | null | undefined) ?? null
    if (!current) return false
    if (dirty.value) conflict.value = current
    else {
      adopt(current)
      unread.value = current
    }
    return true
  }

  /** The person has read the newer words. */
  function noteRead(): void {
    unread.value = null
  }

  function changed(): void {
    keep()
    schedule(QUIET_MS)
  }

  function schedule(after: number): void {
    if (timer !== null) clearTimeout(timer)
    timer = setTimeout(() => void flush(), after)
  }

  /** Saves now; true when the server has every word. */
  async function flush(keepalive = false): Promise<boolean> {
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (running) await running
    if (!dirty.value) return conflict.value === null
    if (conflict.value) return false
    running = send(keepalive)
    try {
      return await running
    } finally {
      running = null
    }
  }

  async function send(keepalive: boolean): Promise<boolean> {
    const sending = wordsOf(words)
    saving.value = true
    try {
      settle(sending, await save(sending, revision.value, keepalive))
      if (dirty.value) schedule(QUIET_MS)
      return !dirty.value
    } catch (error) {
      failed(error, sending)
      return !dirty.value
    } finally {
      saving.value = false
    }
  }

  function failed(error: unknown, sending: Words): void {
    if (error instanceof Problem && error.status === 412) {
      const current = (error.body.current as Draft | undefined) ?? null
      if (current && isOwn(current)) return
      conflict.value = current
      if (conflict.value) return
    }
    problem.value = error
    // Refused words stay refused; what failed on the way may succeed later, or has.
    if (!(error instanceof Problem) || !(error.status === 0 || error.status === 429 || error.status >= 500)) return
    unanswered.push(sending)
    schedule(RETRY_MS)
  }

  function keepMine(): Promise<boolean> {
    if (conflict.value) {
      revision.value = conflict.value.revision
      saved.value = wordsOf(conflict.value)
    }
    conflict.value = null
    return flush()
  }

  function takeTheirs(): void {
    adopt(conflict.value)
    keep()
  }

  function close(): void {
    keep()
    if (timer !== null) clearTimeout(timer)
    timer = null
  }

  return reactive({ words, revision, savedAt, saving, problem, conflict, unread, dirty, open, follow, overtaken, noteRead, changed, flush, keepMine, takeTheirs, close })
}

export type DraftStore = ReturnType<typeof createDraft>
