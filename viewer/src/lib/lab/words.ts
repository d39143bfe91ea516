/** The laboratory's codes in words; one that we do not know is shown as it was said. */
import { i18n, t } from '@/i18n'
import type { LabItemShown, LabResult, Stop } from '@/api/lab'
import { percentText } from './sheet'

function worded(group: string, code: string): string {
  const key = `labDesk.${group}.${code}`
  return i18n.global.te(key, 'zh-CN') ? t(key) : code
}

export const sectionName = (section: string): string => worded('section', section)
export const specimenState = (state: string): string => worded('specimenState', state)
export const heldReason = (reason: string): string => worded('heldReason', reason)

/** In English by its English name, where it has one. */
export function itemName(item: Pick<LabItemShown, 'name' | 'name_en'>): string {
  return i18n.global.locale.value === 'en' ? item.name_en || item.name : item.name
}

/** The rule that stopped a result, as a person says it: `超出参考区间：128 < 130`. */
export function stopText(stop: Stop, result: Pick<LabResult, 'delta' | 'critical'>): string {
  if (stop.rule === 'delta' && result.delta?.percent != null) return t('labDesk.stop.deltaBy', { percent: percentText(result.delta.percent) })
  if (stop.rule === 'critical' || stop.rule === 'no_rules' || stop.rule === 'manual_item' || stop.rule === 'first_result' || stop.rule === 'not_current') return worded('stop', stop.rule)
  if (stop.rule === 'range' && stop.detail.includes(' ? ')) return t('labDesk.stop.rangeOpen', { value: stop.detail.replace(' ? ', ' / ') })
  if (stop.rule === 'control') return worded('control', stop.detail)
  if (stop.rule === 'status' || stop.rule === 'age_sex_unknown') return worded('stopDetail', stop.detail)
  const name = worded('stop', stop.rule)
  return stop.detail ? t('word.said', { name, value: stop.detail }) : name
}

/** What is critical is out of its range too: said once. */
export function stopTexts(result: LabResult): string[] {
  const stops = result.stops.filter((stop) => !(stop.rule === 'range' && result.critical && result.stops.some((one) => one.rule === 'critical')))
  // What the arrow beside the value says already comes last.
  return [...stops].sort((a, b) => Number(a.rule === 'range') - Number(b.rule === 'range')).map((stop) => stopText(stop, result))
}
