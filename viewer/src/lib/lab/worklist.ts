/** What a row of the worklist says of a specimen, and which of them may be signed together. */
import type { LabCounts } from '@/api/lab'
import type { WorklistItem } from '@/api/types'

export interface Chip {
  key: 'critical' | 'waiting' | 'abnormal' | 'held' | 'rerun'
  n: number
  tone: string
}

/** What is critical first; what there is none of is not said. */
export function chipsOf(counts: LabCounts | null | undefined): Chip[] {
  if (!counts) return []
  const all: Chip[] = [
    { key: 'critical', n: counts.critical, tone: 'now strong' },
    { key: 'waiting', n: counts.waiting, tone: 'care' },
    { key: 'abnormal', n: counts.abnormal, tone: '' },
    { key: 'held', n: counts.held, tone: 'care' },
    { key: 'rerun', n: counts.rerun, tone: 'mine' },
  ]
  return all.filter((chip) => chip.n > 0)
}

/** Complete, released, nothing critical, nothing held: nobody has to look at it line by line. */
export function isClean(item: WorklistItem, me: string): boolean {
  const { lab } = item
  if (!lab || lab.resulted === 0 || lab.resulted < lab.ordered) return false
  if (lab.waiting + lab.critical + lab.held + lab.rerun > 0) return false
  return item.state === 'waiting' || item.state === 'arriving' || (item.state === 'claimed' && item.claimed_by?.id === me) || (item.state === 'submitted' && item.claimed_by?.id !== me)
}
