/** How many reports came back and nobody here has opened; a critical one sounds once where no critical bar does. */
import { defineStore } from 'pinia'
import { ref } from 'vue'
import { api } from '@/api/client'
import type { Page, ReturnItem } from '@/api/types'
import { soundAlarm } from '@/lib/alarm'

export const useInbox = defineStore('inbox', () => {
  const unread = ref(0)
  const heard = new Set<string>()
  let begun = false

  /** `ring`: for a village, which no critical event calls. What lay there before the page was opened is silent. */
  async function load(ring: boolean): Promise<void> {
    let page: Page<ReturnItem>
    let critical: ReturnItem[]
    try {
      page = await api.get<Page<ReturnItem>>('/returns', { limit: 1 })
      critical = ring ? (await api.get<Page<ReturnItem>>('/returns', { state: ['delivered'], critical: true, limit: 20 })).items : []
    } catch {
      return // the number stands; the next change, or the poll, reads again
    }
    unread.value = page.counts?.delivered ?? 0
    const fresh = critical.filter((item) => !heard.has(item.id))
    fresh.forEach((item) => heard.add(item.id))
    if (begun && fresh.length) soundAlarm()
    begun = true
  }

  function forget(): void {
    unread.value = 0
    heard.clear()
    begun = false
  }

  return { unread, load, forget }
})
