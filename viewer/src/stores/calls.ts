/** What this person was called to, being on duty: on every page, until somebody has taken it. Each call sounds once. */
import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import { api } from '@/api/client'
import type { DutyCall } from '@/api/types'
import { soundAlarm } from '@/lib/alarm'

export const useCalls = defineStore('calls', () => {
  const calls = shallowRef<DutyCall[]>([])
  const problem = ref<unknown>(null)
  const heard = new Set<string>()

  async function load(): Promise<void> {
    try {
      calls.value = await api.get<DutyCall[]>('/calls')
    } catch {
      return // what is on the page stands; the next change, or the poll, reads again
    }
    const fresh = calls.value.filter((call) => !heard.has(call.id))
    fresh.forEach((call) => heard.add(call.id))
    if (fresh.length) soundAlarm()
  }

  /** Claims it; true when it is this person's now. */
  async function take(call: DutyCall): Promise<boolean> {
    try {
      await api.post(`/tasks/${call.task.task_id}/claim`)
      problem.value = null
      return true
    } catch (error) {
      problem.value = error
      return false
    } finally {
      await load()
    }
  }

  return { calls, problem, load, take }
})
