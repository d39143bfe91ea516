/** Both sides of a held original, line by line. */
import { i18n, t } from '@/i18n'
import type { Header, HeldDetail, HeldItem } from '@/api/operations'

/** What a person compares first; the rest follows as it comes. */
const ORDER = [
  'patient_name', 'name', 'patient_id', 'sex', 'patient_sex', 'birth_date', 'patient_birth_date', 'age', 'patient_age',
  'accession_number', 'site', 'institution', 'device', 'calling_ae_title', 'studied_at', 'study_date', 'study_time',
  'modality', 'body_part', 'body_part_examined', 'study_description', 'description', 'series_description',
  'study_instance_uid', 'series_instance_uid', 'sop_instance_uid', 'sop_class_uid',
]

export interface ComparedLine {
  field: string
  label: string
  /** Null: that side does not speak of it. */
  incoming: string | null
  existing: string | null
  differs: boolean
}

export function compare(held: Pick<HeldDetail, 'incoming' | 'existing' | 'differences'>): ComparedLine[] {
  const existing: Header = held.existing ?? {}
  const differing = new Map(held.differences.map((one) => [one.field, one]))
  const fields = new Set([...Object.keys(held.incoming), ...Object.keys(existing), ...differing.keys()])
  return [...fields]
    .map((field) => {
      const difference = differing.get(field)
      const raw = (side: 'incoming' | 'existing', header: Header): string | null =>
        field in header || difference ? textOf(difference ? difference[side] : header[field]) : null
      const [came, was] = [raw('incoming', held.incoming), raw('existing', existing)]
      const [incoming, existed] = [came && readable(field, came), was && readable(field, was)]
      // What reads alike and is not is shown as it was sent.
      const hidden = difference !== undefined && incoming === existed
      return {
        field,
        label: fieldLabel(field),
        incoming: hidden ? came : incoming,
        existing: hidden ? was : existed,
        differs: difference !== undefined,
      }
    })
    .filter((line) => line.incoming || line.existing)
    .sort((a, b) => place(a.field) - place(b.field))
}

function place(field: string): number {
  const found = ORDER.indexOf(field)
  return found < 0 ? ORDER.length : found
}

export function fieldLabel(field: string): string {
  return i18n.global.te(`held.fields.${field}`) ? t(`held.fields.${field}`) : field
}

export function reasonText(item: Pick<HeldItem, 'reason' | 'reason_text'>): string {
  if (item.reason_text) return item.reason_text
  return i18n.global.te(`held.reason.${item.reason}`) ? t(`held.reason.${item.reason}`) : item.reason
}

/** A value as people write it; one of another form as it is. */
function readable(field: string, text: string): string {
  if (/(^|_)name$/.test(field)) return nameOf(text)
  if (/(^|_)sex$/.test(field) && /^[MFO]$/.test(text)) return t(`sex.${text}`)
  if (field.endsWith('_date')) return text.replace(/^(\d{4})(\d\d)(\d\d)$/, '$1-$2-$3')
  if (field.endsWith('_time')) return text.replace(/^(\d\d)(\d\d)(\d\d)(\.\d+)?$/, '$1:$2:$3')
  if (field === 'problems') return text.split(' \\ ').map(problemOf).join(' · ')
  return text
}

/** `Wang^Qiang=王^强` (PS3.5 6.2.1) as 王强 Wang Qiang. */
function nameOf(text: string): string {
  const [letters = '', signs = ''] = text.split('=')
  return [signs.replaceAll('^', ''), letters.replaceAll('^', ' ')].map((one) => one.trim()).filter(Boolean).join('  ')
}

/** `study_instance_uid missing`: a field and what is wrong with it. */
function problemOf(text: string): string {
  const [, field, wrong] = /^(\w+) (.+)$/.exec(text) ?? []
  if (!field || !wrong || !i18n.global.te(`held.fields.${field}`)) return text
  return t('word.said', { name: fieldLabel(field), value: i18n.global.te(`held.wrong.${wrong}`) ? t(`held.wrong.${wrong}`) : wrong })
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(textOf).filter(Boolean).join(' \\ ')
  if (typeof value !== 'object') return String(value)
  const named = value as { name?: unknown; ae_title?: unknown }
  return textOf(named.name ?? named.ae_title ?? JSON.stringify(value))
}
