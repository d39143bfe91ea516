/** What a radiographer's day shows: the totals, what needs a hand now, what came back, what was sent. */
import { onScopeDispose, ref, shallowRef } from 'vue'
import { api } from '@/api/client'
import { onChanged } from '@/api/live'
import type { ExaminationItem, Overview, Page, Refusal, ReturnItem, State } from '@/api/types'
import { dateText } from './time'
import { turns } from './turns'

const LATEST = 8
const DAYS_BACK = 7
const UNSIGNED: State[] = ['waiting', 'claimed', 'submitted']

export interface Today {
  overview: Overview
  /** Sent back by the county within a week, and not yet examined again. */
  sentBack: ExaminationItem[]
  /** Being read though images are missing. */
  incomplete: ExaminationItem[]
  /** Turned away at the door today. */
  refusals: Refusal[]
  returns: ReturnItem[]
  sent: ExaminationItem[]
}

/** Unread first, a critical value before the others, then newest. */
export function unreadFirst(a: ReturnItem, b: ReturnItem): number {
  const unread = (item: ReturnItem) => Number(item.state === 'delivered')
  return unread(b) - unread(a) || unread(b) * (Number(b.critical) - Number(a.critical)) || b.signed_at.localeCompare(a.signed_at)
}

function merged(unread: ReturnItem[], latest: ReturnItem[]): ReturnItem[] {
  const all = new Map([...unread, ...latest].map((item) => [item.id, item]))
  return [...all.values()].sort(unreadFirst).slice(0, LATEST)
}

async function read(): Promise<Today> {
  const now = new Date()
  const today = dateText(now)
  const from = dateText(new Date(now.getTime() - DAYS_BACK * 86_400_000))
  const [overview, sentBack, incomplete, refusals, unread, latest, sent] = await Promise.all([
    api.get<Overview>('/overview'),
    api.get<Page<ExaminationItem>>('/examinations', { state: ['sent_back'], from, limit: 5 }),
    api.get<Page<ExaminationItem>>('/examinations', { state: UNSIGNED, incomplete: true, from, limit: 5 }),
    api.get<Refusal[]>('/refusals', { limit: 5 }),
    api.get<Page<ReturnItem>>('/returns', { state: ['delivered'], limit: 50 }),
    api.get<Page<ReturnItem>>('/returns', { limit: LATEST }),
    api.get<Page<ExaminationItem>>('/examinations', { limit: LATEST }),
  ])
  return {
    overview,
    sentBack: sentBack.items,
    incomplete: incomplete.items,
    refusals: refusals.filter((one) => dateText(new Date(one.at)) === today),
    returns: merged(unread.items, latest.items),
    sent: sent.items,
  }
}

/** Reads again soon after the last of several changes, never twice at a time. */
export function useToday() {
  const today = shallowRef<Today | null>(null)
  const problem = ref<unknown>(null)
  let timer: ReturnType<typeof setTimeout> | undefined
  const begin = turns()

  async function load(): Promise<void> {
    const isLast = begin()
    try {
      const answer = await read()
      if (!isLast()) return
      today.value = answer
      problem.value = null
    } catch (error) {
      if (isLast()) problem.value = error
    }
  }

  onChanged(['returns', 'worklist', 'held', 'lab', 'devices'], () => {
    clearTimeout(timer)
    timer = setTimeout(() => void load(), 150)
  })
  onScopeDispose(() => clearTimeout(timer))
  void load()
  return { today, problem, load }
}
