/** What a page shows of a changing thing: read at once, when the server says so, and every few seconds while somebody looks. */
import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { onChanged } from '@/api/live'
import type { Topic } from '@/api/types'

const POLL_MS = 5_000

export interface Fresh<T> {
  /** The last that could be read; stays when a later read fails. */
  value: ShallowRef<T | null>
  problem: Ref<unknown>
  readAt: Ref<number | null>
  refresh: () => Promise<void>
}

export function useFresh<T>(read: () => Promise<T>, topics: Topic[], everyMs = POLL_MS): Fresh<T> {
  const value = shallowRef<T | null>(null)
  const problem = ref<unknown>(null)
  const readAt = ref<number | null>(null)
  let reading = false
  let again = false

  async function refresh(): Promise<void> {
    if (reading) {
      again = true
      return
    }
    reading = true
    try {
      value.value = await read()
      problem.value = null
      readAt.value = Date.now()
    } catch (error) {
      problem.value = error
    } finally {
      reading = false
    }
    if (again) {
      again = false
      await refresh()
    }
  }

  const look = () => {
    if (!document.hidden && !reading) void refresh()
  }
  const timer = setInterval(look, everyMs)
  document.addEventListener('visibilitychange', look)
  onScopeDispose(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', look)
  })
  if (topics.length) onChanged(topics, () => void refresh())
  void refresh()
  return { value, problem, readAt, refresh }
}
