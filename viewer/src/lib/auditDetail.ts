/** What an audited event says of itself, in words: names for its members, meanings for its codes, ids shortened. */
import { t, te } from '@/i18n'
import { columnTitle, tableOf } from '@/lib/administration'
import { joined } from '@/lib/joined'
import { clockTime, fullTime } from '@/lib/time'

export interface Told {
  label: string
  value: string
  /** The same with ids and times as they were kept. */
  whole: string
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const HASH = /^[0-9a-f]{32,}$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d/

const isId = (value: unknown) => typeof value === 'string' && (UUID.test(value) || HASH.test(value))

/** `of`: the table whose row was changed; its columns have the names that the administration gives them. */
function labelOf(key: string, of?: string): string {
  const column = of ? tableOf(of)?.columns.find((one) => one.name === key) : undefined
  if (column) return columnTitle(column)
  const known = [`auditDetail.fields.${key}`, `deliveries.field.${key}`].find((one) => te(one))
  return known ? t(known) : key
}

interface Saying {
  whole: boolean
  of?: string
}

function textOf(key: string, value: unknown, how: Saying): string {
  if (value === null || value === '') return t('auditDetail.none')
  if (typeof value === 'boolean') return t(value ? 'auditDetail.yes' : 'auditDetail.no')
  if (Array.isArray(value)) return value.length ? joined(value.map((one) => textOf(key, one, how))) : t('auditDetail.none')
  if (typeof value === 'object') return joined(Object.entries(value).map(([name, one]) => t('word.said', { name: labelOf(name, how.of), value: textOf(name, one, how) })))
  return wordOf(key, String(value), how)
}

function wordOf(key: string, value: string, { whole }: Saying): string {
  if (isId(value)) return whole ? value : `${value.slice(0, 8)}…`
  if (TIME.test(value)) return whole ? fullTime(value) : clockTime(value)
  if (key === 'entity' && tableOf(value)) return t(`admin.table.${value}`)
  return te(`auditDetail.values.${key}.${value}`) ? t(`auditDetail.values.${key}.${value}`) : value
}

/** What people say comes first, ids last; what is empty says nothing. */
export function told(detail: Record<string, unknown>): Told[] {
  const of = typeof detail.entity === 'string' ? detail.entity : undefined
  const members = Object.entries(detail).filter(([, value]) => value !== '' && !(Array.isArray(value) && !value.length))
  return [...members.filter(([, value]) => !isId(value)), ...members.filter(([, value]) => isId(value))].map(([key, value]) => ({
    label: labelOf(key),
    value: textOf(key, value, { whole: false, of }),
    whole: textOf(key, value, { whole: true, of }),
  }))
}
