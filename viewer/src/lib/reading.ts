/** What the reading room does with the task it shows: read it, hold its lease, move it on. */
import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { api, Problem } from '@/api/client'
import { onChanged } from '@/api/live'
import type { Draft, TaskDetail, WorklistItem } from '@/api/types'
import { createDraft } from './draft'

const RENEW_MS = 60_000
/** Transitions after which it is no longer this person's. */
const GIVES_AWAY = new Set(['submit', 'sign', 'reject', 'release', 'send-back', 'hand-over'])
/** Transitions after which it is. */
const TAKES = new Set(['claim', 'take-over'])
/** Transitions that decide about the text on the page: refused when it changed since. */
const ABOUT_THE_TEXT = new Set(['submit', 'sign', 'reject'])

export function useReading(taskId: string, personId: string) {
  const detail = shallowRef<TaskDetail | null>(null)
  const problem = shallowRef<unknown>(null)
  const leaseLost = ref(false)
  const under = ref(0)
  const busy = computed(() => under.value > 0)
  /** This person is moving the task on, so that losing it is no surprise. */
  let moving = false

  const draft = createDraft(`gateway.draft.${personId}.${taskId}`, (words, revision, keepalive) =>
    api.put<Draft>(`/tasks/${taskId}/report`, words, { ifMatch: revision, keepalive }),
  )
  const editable = computed(() => detail.value?.permissions.edit === true && !leaseLost.value)
  /** This person reads it: what is theirs to say of the patient and the examination. */
  const holding = computed(() => detail.value?.task.state === 'claimed' && detail.value.task.claimed_by?.id === personId)

  async function load(): Promise<void> {
    try {
      const answer = await api.get<TaskDetail>(`/tasks/${taskId}`)
      const first = detail.value === null
      const held = holding.value
      detail.value = answer
      if (held && !holding.value && !moving) leaseLost.value = true
      problem.value = null
      if (answer.permissions.edit) leaseLost.value = false
      if (first) draft.open(answer.draft)
      else draft.follow(answer.draft)
    } catch (error) {
      problem.value = error
    }
  }

  async function renew(): Promise<void> {
    if (!holding.value || leaseLost.value) return
    try {
      await api.post(`/tasks/${taskId}/renew`)
    } catch (error) {
      // Away is not lost: the next minute tries again, long before the lease ends.
      if (error instanceof Problem && [403, 404, 409].includes(error.status)) leaseLost.value = true
    }
  }

  async function whileBusy<T>(work: () => Promise<T>): Promise<T> {
    under.value += 1
    try {
      return await work()
    } finally {
      under.value -= 1
    }
  }

  /** A transition: its answer when it happened; otherwise its problem, or the newer text, is shown. */
  const act = <T = WorklistItem>(verb: string, body?: object): Promise<T | null> => whileBusy(() => move<T>(verb, body))

  async function move<T>(verb: string, body?: object): Promise<T | null> {
    problem.value = null
    moving = GIVES_AWAY.has(verb)
    try {
      return await api.post<T>(`/tasks/${taskId}/${verb}`, body, { ifMatch: ABOUT_THE_TEXT.has(verb) ? draft.revision : undefined })
    } catch (error) {
      moving = false
      if (draft.overtaken(error)) await load()
      else problem.value = error
      return null
    }
  }

  const actAndReload = (verb: string, body?: object): Promise<boolean> =>
    whileBusy(async () => {
      const done = (await act(verb, body)) !== null
      if (done) {
        if (TAKES.has(verb)) leaseLost.value = false
        await load()
      }
      return done
    })

  /** Every word is on the server, then the transition. */
  const finish = <T = WorklistItem>(verb: 'submit' | 'sign' | 'release' | 'hand-over', body?: object): Promise<T | null> =>
    whileBusy(async () => (editable.value && !(await draft.flush()) ? null : act<T>(verb, body)))

  const timer = setInterval(() => void renew(), RENEW_MS)
  const leave = () => {
    draft.close()
    if (editable.value) void draft.flush(true)
  }
  window.addEventListener('pagehide', leave)
  onChanged(['worklist'], () => void load())
  onScopeDispose(() => {
    clearInterval(timer)
    window.removeEventListener('pagehide', leave)
    leave()
  })

  return { detail, problem, leaseLost, busy, draft, editable, holding, load, act, actAndReload, finish, whileBusy }
}
