/** The reader's worklist: what is asked, what is shown, what has arrived since. Survives a visit to the reading room. */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { api, Problem } from '@/api/client'
import type { LabSign } from '@/api/lab'
import type { Page, Site, State, WorklistCounts, WorklistItem, WorklistQuery } from '@/api/types'
import { soundAlarm } from '@/lib/alarm'
import { mergeRows } from '@/lib/rows'
import { dateText } from '@/lib/time'
import { turns } from '@/lib/turns'
import { useSession } from './session'

const PAGE = 50
export type Tab = 'open' | 'mine' | State
export type Period = '' | 'today' | 'three' | 'week'
const PERIOD_DAYS: Record<Exclude<Period, ''>, number> = { today: 0, three: 2, week: 6 }

type WorklistPage = Page<WorklistItem, WorklistCounts>
const keyOf = (item: WorklistItem) => item.task_id

export const useWorklist = defineStore('worklist', () => {
  const tab = ref<Tab>('open')
  const q = ref('')
  const modality = ref('')
  const site = ref('')
  const centre = ref('')
  const period = ref<Period>('')
  const lab = ref<LabSign | ''>('')
  const assigned = ref<'' | 'me' | 'pool'>('')
  /** Only what a preliminary report is out of. */
  const awaitingFinal = ref(false)
  const session = useSession()

  const items = shallowRef<WorklistItem[]>([])
  const fresh = shallowRef<WorklistItem[]>([])
  const gone = shallowRef<Set<string>>(new Set())
  const counts = shallowRef<WorklistCounts | null>(null)
  const sites = shallowRef<Site[]>([])
  const modalities = shallowRef<string[]>([])
  const cursor = ref<string | null>(null)
  const selected = ref<string | null>(null)
  const loading = ref(false)
  const loaded = ref(false)
  const problem = ref<unknown>(null)
  const alarm = shallowRef<WorklistItem | null>(null)
  const begin = turns()
  /** Chest pain that this person has seen in the list or heard of: each rings once. */
  const known = new Set<string>()

  const filtered = computed(() => Boolean(q.value || modality.value || site.value || centre.value || period.value || lab.value || assigned.value || awaitingFinal.value))

  function query(): WorklistQuery {
    const from = period.value ? new Date(Date.now() - PERIOD_DAYS[period.value] * 86_400_000) : null
    return {
      q: q.value.trim() || undefined,
      modality: modality.value || undefined,
      site: site.value || undefined,
      centre: centre.value || undefined,
      lab: lab.value || undefined,
      assigned: assigned.value || undefined,
      awaiting_final: awaitingFinal.value || undefined,
      from: from ? dateText(from) : undefined,
      state: tab.value === 'open' || tab.value === 'mine' ? undefined : [tab.value],
      mine: tab.value === 'mine' ? true : undefined,
      limit: PAGE,
    }
  }

  function note(page: WorklistPage): void {
    counts.value = page.counts ?? null
    const places = new Map(sites.value.map((one) => [one.id, one]))
    for (const item of page.items) places.set(item.site.id, item.site)
    if (places.size !== sites.value.length) sites.value = [...places.values()].sort((a, b) => a.code.localeCompare(b.code))
    const kinds = new Set([...modalities.value, ...page.items.flatMap((item) => item.modality || [])])
    if (kinds.size !== modalities.value.length) modalities.value = [...kinds].sort()
  }

  function show(list: WorklistItem[]): void {
    items.value = list
    fresh.value = []
    gone.value = new Set()
    if (!list.some((item) => item.task_id === selected.value)) selected.value = list[0]?.task_id ?? null
  }

  /** Reads as many pages as are on the screen; null when a newer question was asked meanwhile. */
  async function read(atLeast: number): Promise<{ list: WorklistItem[]; next: string | null } | null> {
    const isLast = begin()
    const list: WorklistItem[] = []
    let next: string | null = null
    do {
      const page: WorklistPage = await api.get<WorklistPage>('/worklist', { ...query(), cursor: next ?? undefined })
      if (!isLast()) return null
      if (list.length === 0) note(page)
      list.push(...page.items)
      next = page.next_cursor
    } while (next && list.length < atLeast)
    const own = await readAssigned()
    return isLast() ? { list: ownFirst(own, list, session.user?.id ?? ''), next } : null
  }

  /** What is to be mine stands on top however far down it waits. */
  async function readAssigned(): Promise<WorklistItem[]> {
    if (!counts.value?.assigned || assigned.value || (tab.value !== 'open' && tab.value !== 'waiting')) return []
    const state: State[] = tab.value === 'open' ? ['arriving', 'waiting'] : ['waiting']
    return (await api.get<WorklistPage>('/worklist', { ...query(), state, assigned: 'me' })).items
  }

  /** A person asked: the list is replaced. */
  async function load(): Promise<void> {
    loading.value = true
    try {
      const found = await read(PAGE)
      if (!found) return
      cursor.value = found.next
      problem.value = null
      show(found.list)
      if (!loaded.value) found.list.filter(needsHelpNow).forEach((item) => known.add(item.task_id))
      else ringFor(found.list)
      loaded.value = true
    } catch (error) {
      problem.value = error
    } finally {
      loading.value = false
    }
  }

  /** Something changed: rows are updated where they stand, new ones are only counted. */
  async function refresh(): Promise<void> {
    if (loading.value) return
    try {
      const found = await read(items.value.length)
      if (!found) return
      problem.value = null
      const merged = mergeRows(items.value, found.list, keyOf)
      cursor.value = found.next
      items.value = merged.shown
      fresh.value = merged.fresh
      gone.value = found.next ? withoutBeyond(merged.gone, items.value, found.list) : merged.gone
      if (items.value.length === 0) showFresh()
      ringFor(found.list)
      loaded.value = true
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) problem.value = error
    }
  }

  /** Also for what was marked after it arrived. Before the first look at the list nothing rings. */
  function ringFor(list: WorklistItem[]): void {
    if (alarm.value && !list.some((item) => item.task_id === alarm.value?.task_id && needsHelpNow(item))) alarm.value = null
    const item = list.find((one) => needsHelpNow(one) && !known.has(one.task_id))
    if (!item) return
    known.add(item.task_id)
    if (!loaded.value) return
    alarm.value = item
    soundAlarm()
  }

  function showFresh(): void {
    const latest = new Map([...fresh.value, ...items.value.filter((item) => !gone.value.has(item.task_id))].map((item) => [item.task_id, item]))
    const all = [...latest.values()].sort(inOrder)
    show(ownFirst([], all, session.user?.id ?? ''))
  }

  async function more(): Promise<void> {
    if (!cursor.value || loading.value) return
    const page = await api.get<WorklistPage>('/worklist', { ...query(), cursor: cursor.value })
    const known = new Set(items.value.map(keyOf))
    items.value = [...items.value, ...page.items.filter((item) => !known.has(item.task_id))]
    cursor.value = page.next_cursor
  }

  function replace(item: WorklistItem): void {
    items.value = items.value.map((one) => (one.task_id === item.task_id ? item : one))
  }

  function clear(): void {
    q.value = modality.value = site.value = centre.value = ''
    period.value = ''
    lab.value = ''
    assigned.value = ''
    awaitingFinal.value = false
  }

  return { tab, q, modality, site, centre, period, lab, assigned, awaitingFinal, items, fresh, gone, counts, sites, modalities, cursor, selected, loading, loaded, problem, alarm, filtered, load, refresh, showFresh, more, replace, clear }
})

/** A row behind the last one that was read has not left the list; it was only not read. */
function withoutBeyond(gone: Set<string>, shown: WorklistItem[], read: WorklistItem[]): Set<string> {
  const last = read.at(-1)
  return new Set(shown.filter((item) => gone.has(item.task_id) && (!last || inOrder(item, last) < 0)).map(keyOf))
}

const isUnclaimed = (item: WorklistItem) => item.state === 'waiting' || item.state === 'arriving'

/** Chest pain first, whoever's it is; then what is to be mine; then the rest in the server's order. */
export function ownFirst(own: WorklistItem[], list: WorklistItem[], me: string): WorklistItem[] {
  const known = new Set(list.map(keyOf))
  const all = [...own.filter((item) => !known.has(item.task_id)), ...list]
  const place = (item: WorklistItem) => (item.priority === 'chest_pain' ? 0 : item.assigned_to?.id === me && isUnclaimed(item) ? 1 : 2)
  return all.map((item, at) => ({ item, at })).sort((a, b) => place(a.item) - place(b.item) || (place(a.item) === 2 ? a.at - b.at : inOrder(a.item, b.item))).map(({ item }) => item)
}

/** Chest pain that nobody has taken yet. */
function needsHelpNow(item: WorklistItem): boolean {
  return item.priority === 'chest_pain' && isUnclaimed(item)
}

const RANK = { chest_pain: 0, critical: 1, urgent: 2, routine: 3 }

/** Urgent first, then oldest: the server's order. */
export function inOrder(a: WorklistItem, b: WorklistItem): number {
  return RANK[a.priority] - RANK[b.priority] || a.received_at.localeCompare(b.received_at)
}
