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
      return {
        field,
        label: fieldLabel(field),
        incoming: field in held.incoming || difference ? textOf(difference ? difference.incoming : held.incoming[field]) : null,
        existing: field in existing || difference ? textOf(difference ? difference.existing : existing[field]) : null,
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

function textOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(textOf).filter(Boolean).join(' \\ ')
  if (typeof value !== 'object') return String(value)
  const named = value as { name?: unknown; ae_title?: unknown }
  return textOf(named.name ?? named.ae_title ?? JSON.stringify(value))
}
