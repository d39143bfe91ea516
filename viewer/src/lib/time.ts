/** Local times as people say them: `14:32`, `昨天 14:32`, `2026-11-19 14:32`; waiting is a duration. */
import { onScopeDispose, ref, type Ref } from 'vue'
import { t } from '@/i18n'
import type { Time } from '@/api/types'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const two = (n: number) => String(n).padStart(2, '0')

export function dateText(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

export function hoursMinutes(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}`
}

export function fullTime(time: Time | null | undefined): string {
  if (!time) return ''
  const date = new Date(time)
  return `${dateText(date)} ${hoursMinutes(date)}:${two(date.getSeconds())}`
}

export function clockTime(time: Time | null | undefined, now = new Date()): string {
  if (!time) return ''
  const date = new Date(time)
  const text = hoursMinutes(date)
  const midnight = (day: Date) => new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime()
  const days = Math.round((midnight(now) - midnight(date)) / DAY)
  if (days === 0) return text
  if (days === 1) return t('time.yesterday', { time: text })
  if (days === -1) return t('time.tomorrow', { time: text })
  return `${dateText(date)} ${text}`
}

export function duration(milliseconds: number): string {
  const span = Math.max(0, milliseconds)
  if (span < MINUTE) return t('time.minutes', { n: span < MINUTE / 2 ? 0 : 1 })
  if (span < HOUR) return t('time.minutes', { n: Math.floor(span / MINUTE) })
  if (span < DAY) return t('time.hours', { h: Math.floor(span / HOUR), m: Math.floor((span % HOUR) / MINUTE) })
  return t('time.days', { d: Math.floor(span / DAY), h: Math.floor((span % DAY) / HOUR) })
}

/** A running clock: `7:05`, from an hour on `1:07:05`. */
export function minutesSeconds(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000))
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60), seconds % 60]
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

export type Urgency = 'fine' | 'soon' | 'over'

/** How a due time stands: over, soon (a quarter of an hour), or fine; with its words. */
export function due(time: Time | null, now: number): { urgency: Urgency; text: string } | null {
  if (!time) return null
  const left = new Date(time).getTime() - now
  if (left < 0) return { urgency: 'over', text: t('time.overdue', { duration: duration(-left) }) }
  return { urgency: left < 15 * MINUTE ? 'soon' : 'fine', text: t('time.left', { duration: duration(left) }) }
}

/** When something that is being read will be there; once that has passed, by how much. */
export function expected(time: Time, now: number): { over: boolean; text: string } {
  const late = due(time, now)!
  const over = late.urgency === 'over'
  return { over, text: over ? late.text : t('township.expected', { time: clockTime(time) }) }
}

/** A clock that components share; minutes need no seconds. */
export function useNow(everyMs = 10_000): Ref<number> {
  const now = ref(Date.now())
  const timer = setInterval(() => (now.value = Date.now()), everyMs)
  onScopeDispose(() => clearInterval(timer))
  return now
}
