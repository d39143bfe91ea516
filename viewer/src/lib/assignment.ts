/** Whose a task is to be and why, in words. */
import type { WorklistItem } from '@/api/types'
import { t } from '@/i18n'

/** By the rules or by hand it is somebody else's, who has not begun. */
export function isOfAnother(item: WorklistItem, me: string): boolean {
  return (item.state === 'waiting' || item.state === 'arriving') && item.reserved && item.assigned_to !== null && item.assigned_to.id !== me
}

export function whyAssigned(item: WorklistItem): string | undefined {
  if (item.handed_over_by) return item.hand_over_note ? t('assignment.handedWhy', { name: item.handed_over_by.name, note: item.hand_over_note }) : t('assignment.handedBy', { name: item.handed_over_by.name })
  const because = item.assigned_because
  if (!because) return undefined
  if (because.nobody) return t(`assignment.nobody.${because.nobody}`)
  if (because.released_by) return t('assignment.nobody.released')
  const reasons = (because.reasons ?? []).map((one) => (one === 'covers' && because.covers_for ? t('assignment.because.coversFor', { name: because.covers_for }) : t(`assignment.because.${one}`, { load: because.load ?? 0 })))
  if (because.considered) reasons.push(t('assignment.because.considered', { n: because.considered }))
  return reasons.join(' · ') || undefined
}
