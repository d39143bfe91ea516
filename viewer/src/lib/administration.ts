/** The tables that an administrator edits: their columns, and values as text and back. Fields as in docs/http.md. */
import { t } from '@/i18n'
import type { RoleAt, Row, Value } from '@/api/operations'
import { joined } from '@/lib/joined'
import { clockTime } from './time'

export type EntityName = 'institution' | 'centre' | 'device' | 'person' | 'agreement' | 'recognition_item' | 'qualification' | 'mapping' | 'recognition_scope' | 'recognition_reason' | 'recognition_price' | 'recognition_own_source' | 'device_check_interval' | 'grade_reason' | 'ecg_statement' | 'duty' | 'critical_contact' | 'analyser_profile'
export type ColumnType = 'text' | 'number' | 'date' | 'flag' | 'choice' | 'reference' | 'roles' | 'list' | 'time'

export interface Column {
  name: string
  type: ColumnType
  /** Message key of the title; otherwise `admin.field.<name>`. */
  title?: string
  /** A choice's values, and the message key that their words stand under. */
  choices?: readonly string[]
  words?: string
  /** What a reference points to, and which rows of it may be chosen. */
  of?: EntityName
  fits?: (row: Row) => boolean
  required?: boolean
  /** Empty means null, with this word (a message key). */
  empty?: string
  /** Cannot change once it exists. */
  fixed?: boolean
  /** Only read. */
  shown?: boolean
  start?: () => Value
  mono?: boolean
  width?: number
}

export interface Table {
  entity: EntityName
  path: string
  key: string
  /** The field that an imported line is matched by. */
  natural: string
  columns: readonly Column[]
  /** The fields by which rows stand when they are read; a choice in the order of its values. */
  order?: readonly string[]
}

const KINDS = ['imaging', 'ecg', 'laboratory', 'pathology'] as const
const today = () => new Date().toLocaleDateString('sv')
const isLead = (row: Row) => row.kind === 'lead_hospital'

const kind: Column = { name: 'kind', type: 'choice', choices: KINDS, words: 'kind', required: true, start: () => 'imaging', width: 104 }
const enabled: Column = { name: 'enabled', type: 'flag', start: () => true, width: 70 }
const institution: Column = { name: 'institution_id', type: 'reference', of: 'institution', required: true, width: 160 }
const item: Column = { name: 'item_code', type: 'reference', of: 'recognition_item', required: true, width: 170 }
const unconfirmed = (start: boolean): Column => ({ name: 'unconfirmed', type: 'flag', start: () => start, width: 116 })

/** Whether a row of it can be given a password: a person's, or a device's for FTP. */
export const hasPassword = (table: Table): boolean => table.entity === 'person' || table.entity === 'device'

export const TABLES: readonly Table[] = [
  {
    entity: 'institution', path: '/institutions', key: 'id', natural: 'code',
    columns: [
      { name: 'code', type: 'text', required: true, mono: true, width: 110 },
      { name: 'name', type: 'text', required: true, width: 220 },
      { name: 'kind', type: 'choice', choices: ['lead_hospital', 'township', 'village'], words: 'admin.choice.institutionKind', required: true, start: () => 'township', width: 120 },
      { name: 'lead_id', type: 'reference', of: 'institution', empty: 'admin.none', width: 180 },
      { name: 'region', type: 'text', start: () => '', width: 110 },
      enabled,
      { name: 'accept_unknown_devices', type: 'flag', start: () => false, width: 110 },
      { name: 'phone', type: 'text', start: () => '', mono: true, width: 130 },
      { name: 'share_reports', type: 'flag', start: () => false, width: 110 },
      { name: 'share_days', type: 'number', required: true, start: () => 30, width: 110 },
    ],
  },
  {
    entity: 'centre', path: '/centres', key: 'id', natural: 'name',
    columns: [
      { ...institution, fits: isLead, fixed: true },
      { ...kind, fixed: true },
      { name: 'name', type: 'text', required: true, width: 220 },
      { name: 'review_required', type: 'flag', start: () => true, width: 90 },
      { name: 'chest_pain_minutes', type: 'number', required: true, start: () => 3, width: 110 },
      { name: 'phone', type: 'text', start: () => '', mono: true, width: 130 },
      enabled,
    ],
  },
  {
    entity: 'device', path: '/devices', key: 'id', natural: 'ae_title',
    columns: [
      { name: 'ae_title', type: 'text', start: () => '', mono: true, width: 116 },
      { name: 'name', type: 'text', start: () => '', width: 110 },
      institution,
      { name: 'modality', type: 'text', start: () => '', mono: true, width: 64 },
      { name: 'address', type: 'text', empty: 'system.anyAddress', mono: true, width: 108 },
      { name: 'character_set', type: 'text', empty: 'admin.none', mono: true, width: 86 },
      { name: 'account', type: 'text', empty: 'admin.none', mono: true, width: 96 },
      { name: 'sender', type: 'text', start: () => '', mono: true, width: 110 },
      { name: 'profile_code', type: 'reference', of: 'analyser_profile', empty: 'admin.none', width: 130 },
      { name: 'without_order', type: 'flag', start: () => false, width: 80 },
      enabled,
      { name: 'certificates', type: 'list', empty: 'admin.ownCertificate', start: () => [], mono: true, width: 150 },
      { name: 'tls_exception_reason', type: 'text', start: () => '', width: 130 },
      { name: 'tls_exception_until', type: 'date', empty: 'admin.none', width: 112 },
      { name: 'tls_exception', type: 'choice', choices: ['none', 'plain', 'no_certificate'], words: 'admin.choice.tlsException', required: true, start: () => 'none', width: 130 },
      { name: 'last_heard_at', type: 'time', shown: true, width: 96 },
    ],
  },
  {
    entity: 'person', path: '/people', key: 'id', natural: 'username',
    columns: [
      { name: 'username', type: 'text', required: true, fixed: true, mono: true, width: 120 },
      { name: 'name', type: 'text', title: 'admin.field.person_name', required: true, width: 110 },
      institution,
      { name: 'roles', type: 'roles', start: () => [], width: 320 },
      enabled,
    ],
  },
  {
    entity: 'agreement', path: '/agreements', key: 'id', natural: 'id',
    columns: [
      { name: 'lead_id', type: 'reference', title: 'admin.field.agreement_lead', of: 'institution', fits: isLead, required: true, width: 200 },
      { name: 'member_id', type: 'reference', of: 'institution', required: true, width: 200 },
      { ...kind, title: 'admin.field.discipline', required: false, empty: 'admin.all', start: () => null },
      { name: 'valid_from', type: 'date', required: true, start: today, width: 120 },
      { name: 'valid_to', type: 'date', empty: 'admin.none', width: 120 },
    ],
  },
  {
    entity: 'recognition_item', path: '/recognition/items', key: 'code', natural: 'code',
    columns: [
      { name: 'code', type: 'text', required: true, fixed: true, mono: true, width: 150 },
      { name: 'name', type: 'text', required: true, width: 170 },
      kind,
      { name: 'negative_list', type: 'flag', start: () => false, width: 104 },
      { name: 'valid_days', type: 'number', empty: 'admin.none', width: 80 },
      { name: 'source', type: 'text', start: () => '', width: 142 },
      { name: 'effective_from', type: 'date', required: true, start: today, width: 105 },
      { name: 'effective_to', type: 'date', empty: 'admin.none', width: 105 },
      unconfirmed(true),
    ],
  },
  {
    entity: 'qualification', path: '/recognition/qualifications', key: 'id', natural: 'id',
    columns: [
      institution,
      item,
      { name: 'scope_level', type: 'choice', choices: ['national', 'joint', 'province', 'city', 'county', 'community'], words: 'admin.choice.scope', required: true, start: () => 'county', width: 106 },
      { name: 'scope_label', type: 'text', required: true, width: 110 },
      { name: 'result', type: 'choice', choices: ['pass', 'fail', 'suspended', 'none'], words: 'admin.choice.result', required: true, start: () => 'pass', width: 108 },
      { name: 'valid_from', type: 'date', required: true, start: today, width: 105 },
      { name: 'valid_to', type: 'date', required: true, width: 105 },
      { name: 'programme', type: 'text', start: () => '', width: 108 },
      unconfirmed(false),
    ],
  },
  {
    entity: 'mapping', path: '/recognition/mappings', key: 'id', natural: 'id',
    columns: [
      kind,
      { name: 'modality', type: 'text', start: () => '', mono: true, width: 90 },
      { name: 'body_part', type: 'text', start: () => '', mono: true, width: 140 },
      { name: 'procedure_code', type: 'text', start: () => '', mono: true, width: 140 },
      item,
      { name: 'priority', type: 'number', required: true, start: () => 0, width: 80 },
    ],
  },
  {
    entity: 'recognition_scope', path: '/recognition/scopes', key: 'id', natural: 'id', order: ['level'],
    columns: [
      { name: 'level', type: 'choice', choices: ['joint', 'province', 'city', 'county'], words: 'admin.choice.scope', required: true, start: () => 'province', width: 110 },
      { name: 'label', type: 'text', required: true, width: 160 },
      { name: 'region', type: 'text', required: true, width: 160 },
      unconfirmed(true),
    ],
  },
  {
    entity: 'recognition_reason', path: '/recognition/reasons', key: 'code', natural: 'code', order: ['position'],
    columns: [
      { name: 'code', type: 'text', required: true, fixed: true, mono: true, width: 80 },
      { name: 'name', type: 'text', required: true, width: 280 },
      { name: 'name_en', type: 'text', start: () => '', width: 240 },
      { name: 'counts_as_refusal', type: 'flag', start: () => true, width: 100 },
      { name: 'note_required', type: 'flag', start: () => false, width: 80 },
      { name: 'position', type: 'number', required: true, start: () => 0, width: 70 },
      enabled,
      unconfirmed(true),
    ],
  },
  {
    entity: 'grade_reason', path: '/quality/reasons', key: 'code', natural: 'code', order: ['position'],
    columns: [
      { name: 'code', type: 'text', required: true, fixed: true, mono: true, width: 140 },
      { name: 'name', type: 'text', required: true, width: 220 },
      { name: 'name_en', type: 'text', start: () => '', width: 220 },
      { name: 'kind', type: 'choice', choices: KINDS, words: 'kind', empty: 'figures.all', width: 110 },
      { name: 'modalities', type: 'text', start: () => '', mono: true, width: 200 },
      { name: 'position', type: 'number', required: true, start: () => 0, width: 70 },
      enabled,
    ],
  },
  {
    entity: 'recognition_price', path: '/recognition/prices', key: 'id', natural: 'id',
    columns: [
      institution,
      item,
      { name: 'amount', type: 'text', required: true, mono: true, width: 110 },
      { name: 'valid_from', type: 'date', required: true, start: today, width: 120 },
      { name: 'valid_to', type: 'date', empty: 'admin.none', width: 120 },
    ],
  },
  {
    entity: 'recognition_own_source', path: '/recognition/own-source', key: 'id', natural: 'id',
    columns: [
      institution,
      { ...enabled, start: () => false },
      { name: 'minimum_hours', type: 'number', required: true, start: () => 24, width: 120 },
    ],
  },
  {
    entity: 'device_check_interval', path: '/device-control/intervals', key: 'id', natural: 'id', order: ['modality', 'kind'],
    columns: [
      { name: 'modality', type: 'text', start: () => '', mono: true, width: 90 },
      { name: 'kind', type: 'choice', title: 'admin.field.check_kind', choices: ['daily', 'constancy', 'status', 'acceptance', 'calibration'], words: 'admin.choice.checkKind', required: true, start: () => 'daily', width: 130 },
      { name: 'every_days', type: 'number', required: true, start: () => 1, width: 100 },
      { name: 'valid_from', type: 'date', required: true, start: today, width: 120 },
      { name: 'late_takes_mark', type: 'flag', start: () => false, width: 110 },
      enabled,
      unconfirmed(true),
    ],
  },
  {
    entity: 'ecg_statement', path: '/ecg/catalogue', key: 'code', natural: 'code', order: ['group', 'position'],
    columns: [
      { name: 'group', type: 'choice', choices: ['rhythm', 'axis', 'conduction', 'hypertrophy', 'st_t', 'conclusion'], words: 'ecgReport.group', required: true, start: () => 'rhythm', width: 76 },
      { name: 'position', type: 'number', required: true, start: () => 0, width: 62 },
      { name: 'text', type: 'text', required: true, width: 180 },
      { name: 'text_en', type: 'text', start: () => '', width: 150 },
      { name: 'initials', type: 'text', start: () => '', mono: true, width: 96 },
      { name: 'critical', type: 'flag', start: () => false, width: 58 },
      { name: 'normal', type: 'flag', start: () => false, width: 58 },
      { name: 'measure', type: 'text', start: () => '', mono: true, width: 108 },
      { name: 'above', type: 'number', empty: 'admin.none', width: 62 },
      { name: 'below', type: 'number', empty: 'admin.none', width: 62 },
      enabled,
      { name: 'code', type: 'text', required: true, fixed: true, mono: true, width: 112 },
    ],
  },
  {
    entity: 'duty', path: '/duty', key: 'id', natural: 'id', order: ['centre_id', 'position'],
    columns: [
      { name: 'centre_id', type: 'reference', of: 'centre', required: true, width: 200 },
      { name: 'position', type: 'number', required: true, start: () => 1, width: 80 },
      { name: 'person_id', type: 'reference', of: 'person', required: true, width: 140 },
      { name: 'weekdays', type: 'text', start: () => '', mono: true, width: 150 },
      { name: 'begins', type: 'text', start: () => '', mono: true, width: 90 },
      { name: 'ends', type: 'text', start: () => '', mono: true, width: 90 },
    ],
  },
  {
    entity: 'critical_contact', path: '/critical-contacts', key: 'id', natural: 'id', order: ['institution_id', 'position'],
    columns: [
      institution,
      { name: 'position', type: 'number', required: true, start: () => 1, width: 80 },
      { name: 'title', type: 'text', title: 'admin.field.contact_title', required: true, width: 160 },
      { name: 'person_id', type: 'reference', of: 'person', empty: 'admin.none', width: 140 },
      { name: 'phone', type: 'text', start: () => '', mono: true, width: 130 },
      { name: 'minutes', type: 'number', title: 'admin.field.contact_minutes', required: true, start: () => 5, width: 110 },
    ],
  },
]

/** Tables that have a page of their own: here they are only referred to. */
const ELSEWHERE: readonly Table[] = [{ entity: 'analyser_profile', path: '/lab/profiles', key: 'code', natural: 'code', columns: [] }]

export const tableOf = (entity: string): Table | undefined => [...TABLES, ...ELSEWHERE].find((table) => table.entity === entity)

export const columnTitle = (column: Column): string => t(column.title ?? `admin.field.${column.name}`)

/** What is known of the rows that references point to. */
export interface References {
  rows(entity: EntityName): readonly Row[]
}

const keyOf = (entity: EntityName) => tableOf(entity)!.key

export function findRow(references: References, entity: EntityName, key: Value): Row | undefined {
  return references.rows(entity).find((row) => row[keyOf(entity)] === key)
}

/** Rows as they are read at first; what is changed afterwards stays where it is. */
export function inTableOrder(table: Table, rows: readonly Row[]): Row[] {
  const order = table.order ?? []
  const place = (row: Row, name: string) => {
    const choices = table.columns.find((column) => column.name === name)?.choices
    return choices ? choices.indexOf(String(row[name])) : (row[name] as string | number)
  }
  return [...rows].sort((a, b) => {
    const differs = order.find((name) => place(a, name) !== place(b, name))
    return differs === undefined ? 0 : place(a, differs) < place(b, differs) ? -1 : 1
  })
}

/** How people call a row. */
export function labelOf(entity: EntityName, row: Row, references: References): string {
  if (entity === 'device') return `${String(row.ae_title)}${row.name ? ` ${String(row.name)}` : ''}`
  if (entity === 'recognition_item') return `${String(row.name)}`
  if (entity === 'ecg_statement') return String(row.text)
  if (row.name) return String(row.name)
  const table = tableOf(entity)!
  return table.columns.slice(0, 2).map((column) => showValue(column, row[column.name], references)).join(' · ')
}

export function showValue(column: Column, value: Value, references: References): string {
  if (column.type === 'roles') return joined(((value ?? []) as RoleAt[]).map((role) => roleText(role, references)))
  if (column.type === 'list') return listText(value, shortened) || (column.empty ? t(column.empty) : '')
  if (value === null || value === undefined || value === '') return column.empty ? t(column.empty) : ''
  switch (column.type) {
    case 'flag':
      if (column.name === 'unconfirmed') return t(value ? 'admin.unconfirmed' : 'admin.confirmed')
      return t(value ? 'admin.yes' : 'admin.no')
    case 'choice':
      return t(`${column.words!}.${String(value)}`)
    case 'reference': {
      const row = findRow(references, column.of!, value)
      return row ? labelOf(column.of!, row, references) : String(value)
    }
    case 'time':
      return clockTime(String(value))
    default:
      return String(value)
  }
}

/** The items of a list as one line of text, as it is edited. */
export const listText = (value: Value, show = (one: string) => one): string => (Array.isArray(value) ? (value as string[]) : String(value ?? '').split(/[;；]/).map((one) => one.trim()).filter(Boolean)).map(show).join('; ')

/** A SHA-256 is known by its beginning. */
const shortened = (one: string) => (/^[0-9a-f]{64}$/.test(one) ? `${one.slice(0, 12)}…` : one)

export function roleText(role: RoleAt, references: References): string {
  const centre = role.centre_id ? findRow(references, 'centre', role.centre_id) : undefined
  const name = t(`role.${role.role}`)
  return role.centre_id ? `${name} · ${centre ? String(centre.name) : role.centre_id}` : name
}

/** A new row as it starts. */
export function newRow(table: Table): Row {
  return Object.fromEntries(table.columns.filter((column) => !column.shown).map((column) => [column.name, column.start ? column.start() : column.type === 'text' && !column.empty ? '' : null]))
}

/** What an emptied field means: null where that is a value, else the empty text. */
export function settled(column: Column, value: Value): Value {
  if (column.type === 'list') return Array.isArray(value) ? value : listText(value).split('; ').filter(Boolean)
  const text = typeof value === 'string' ? value.trim() : value
  if (text !== '' && text !== undefined) return text
  return column.type === 'text' && !column.empty ? '' : null
}

export function isMissing(column: Column, value: Value): boolean {
  return column.required === true && (value === null || value === undefined || value === '')
}

export function isSame(a: Value, b: Value): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return listKey(a) === listKey(b)
  return (a ?? null) === (b ?? null)
}

const listKey = (items: (RoleAt | string)[]) => JSON.stringify(items.map((one) => (typeof one === 'string' ? one : `${one.role} ${one.centre_id ?? ''}`)).sort())
