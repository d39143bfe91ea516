/** Critical values whose next step is this person's: on every page, until they have acted. */
import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { api, Problem } from '@/api/client'
import type { CriticalEvent } from '@/api/critical'
import { soundAlarm } from '@/lib/alarm'

/** What sounds once: that it is there, and each time the chain comes to this person. */
const soundOf = (event: CriticalEvent): string => `${event.id} ${event.called_me}`

export const useCritical = defineStore('critical', () => {
  const mine = shallowRef<CriticalEvent[]>([])
  const heard = new Set<string>()

  async function load(): Promise<void> {
    try {
      mine.value = await api.get<CriticalEvent[]>('/critical/mine')
    } catch (error) {
      if (error instanceof Problem && error.status === 401) mine.value = []
      return // what is on the page stands; the next change, or the poll, reads again
    }
    const fresh = mine.value.filter((event) => event.state !== 'handled' && !heard.has(soundOf(event)))
    mine.value.forEach((event) => heard.add(soundOf(event)))
    if (fresh.length) soundAlarm()
  }

  /** What was answered to a deed: it stands in the list no longer than it must. */
  function took(event: CriticalEvent): void {
    mine.value = mine.value.flatMap((one) => (one.id !== event.id ? [one] : event.must_act ? [event] : []))
  }

  return { mine, load, took }
})
