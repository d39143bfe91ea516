/** Small phrases that several pages share. */
import { i18n, t } from '@/i18n'
import type { ExaminationItem, Patient, WorklistItem } from '@/api/types'
import { joined } from '@/lib/joined'

export function patientName(patient: Patient): string {
  return patient.name || t('word.unknownName')
}

/** A township without numbers of its own knows people by their identity card: enough of it to compare by eye, as it is printed. */
export function patientNumber(patient: Pick<Patient, 'patient_id'>): string {
  return (patient.patient_id ?? '').replace(/^(\d{6})\d{8}(\d{3}[\dX])$/, '$1********$2')
}

export function sexAge(patient: Pick<Patient, 'sex' | 'age'>): string {
  return [patient.sex ? t(`sex.${patient.sex}`) : '', ageText(patient.age)].filter(Boolean).join(' ')
}

const AGE_UNITS: Record<string, string> = { 岁: 'years', 月: 'months', 天: 'days' }

/** The server says ages as Chinese reports print them. */
export function ageText(age: string | null): string {
  const [, n, unit] = /^(\d+)(岁|月|天)$/.exec(age ?? '') ?? []
  return n && unit ? t(`age.${AGE_UNITS[unit]}`, { n }) : (age ?? '')
}

type Described = Pick<WorklistItem | ExaminationItem, 'kind' | 'modality' | 'body_part' | 'description'>

/** The modality as people say it; a specimen has none. */
export const modalityName = (item: Pick<Described, 'kind' | 'modality'>): string => (item.kind === 'laboratory' ? '' : item.modality) || t(`kind.${item.kind}`)

/** What was examined: the description where there is one, else the body part, else the kind. */
export function examinationName(item: Described): string {
  // The server names the first of many single tests, and says how many there are.
  const [, named, n] = /^(.*) 等 (\d+) 项$/.exec(item.description ?? '') ?? []
  if (named && n) return t('word.testsOf', { named: joined(named.split('、')), n })
  return item.description || item.body_part || t(`kind.${item.kind}`)
}

export function imageCount(item: Pick<WorklistItem, 'instances' | 'expected_instances'>): string {
  return item.expected_instances === null ? String(item.instances) : `${item.instances}/${item.expected_instances}`
}

/** A code in words; one that we do not know is shown as the server says it. */
function worded(group: 'event' | 'noMark', code: string): string {
  const key = `${group}.${code}`
  return i18n.global.te(key, 'zh-CN') ? t(key) : code
}

/** What happened to an examination. */
export const eventName = (what: string): string => worded('event', what)

/** Why an item carries no recognition mark. */
export const noMarkReason = (reason: string): string => worded('noMark', reason)
