/** How a critical value is said. */
import { t } from '@/i18n'
import type { CriticalEvent, CriticalState } from '@/api/critical'
import type { Kind } from '@/api/types'

export const OPEN_STATES: readonly CriticalState[] = ['found', 'reviewed', 'notified', 'received', 'handled']

export const isOpen = (event: Pick<CriticalEvent, 'state'>): boolean => OPEN_STATES.includes(event.state)

/** The value with its unit: what is read back. */
export const valueText = (event: Pick<CriticalEvent, 'found'>): string => [event.found.value, event.found.unit].filter(Boolean).join(' ')

/** What was found, with the name that it has there. */
export function foundText(event: Pick<CriticalEvent, 'found' | 'kind'>): string {
  return `${event.found.name || kindName(event.kind)} ${valueText(event)}`
}

const kindName = (kind: Kind): string => t(`kind.${kind}`)

export const TONE: Record<CriticalState, string> = { found: 'now', reviewed: 'now', notified: 'now', received: 'care', handled: 'mine', closed: 'done', withdrawn: '' }

/** The longest that can be read back. */
export const LONGEST_VALUE = 60

/** Words that somebody wrote, cut to what can be read back. */
export const shortValue = (text: string): string => Array.from(text.split(/\s+/).filter(Boolean).join(' ')).slice(0, LONGEST_VALUE).join('')
