/** A table as a CSV file that can be changed in a spreadsheet and read back: codes for references, never ids of other rows. */
import { t } from '@/i18n'
import type { RoleAt, Row, Value } from '@/api/operations'
import { columnTitle, isMissing, isSame, listText, settled, type Column, type EntityName, type References, type Table } from './administration'
import { writeCsv, readCsv } from './csv'

const ROLES = ['radiographer', 'village', 'reader', 'reviewer', 'it', 'admin', 'auditor']
const YES = ['是', 'yes', 'true', '1', 'y']
const NO = ['否', 'no', 'false', '0', 'n', '']

const fileColumns = (table: Table): Column[] => [
  ...(table.natural === 'id' ? [{ name: 'id', type: 'text' as const }] : []),
  ...table.columns.filter((column) => !column.shown),
]

/** Heading and rows as text, for whichever kind of file. */
export function tableCells(table: Table, rows: readonly Row[], references: References): string[][] {
  const columns = fileColumns(table)
  const head = columns.map((column) => column.name)
  return [head, ...rows.map((row) => columns.map((column) => writeValue(column, row[column.name], references)))]
}

export const writeTable = (table: Table, rows: readonly Row[], references: References): string => writeCsv(tableCells(table, rows, references))

function writeValue(column: Column, value: Value, references: References): string {
  if (column.type === 'roles') return ((value ?? []) as RoleAt[]).map((role) => (role.centre_id ? `${role.role}@${writeReference('centre', role.centre_id, references)}` : role.role)).join('; ')
  if (column.type === 'list') return listText(value)
  if (value === null || value === undefined) return ''
  if (column.type === 'flag') return t(value ? 'admin.yes' : 'admin.no')
  if (column.type === 'reference') return writeReference(column.of!, String(value), references)
  return String(value)
}

/** Its code; a centre has none, so its name where no other has the same. */
function writeReference(entity: EntityName, key: string, references: References): string {
  const rows = references.rows(entity)
  if (entity === 'recognition_item') return key
  const row = rows.find((one) => one.id === key)
  if (!row) return key
  if (entity === 'institution') return String(row.code)
  return rows.filter((one) => one.name === row.name).length === 1 ? String(row.name) : key
}

export interface Line {
  number: number
  /** Key of the row that it changes; null: a new one. */
  key: string | null
  name: string
  /** For a new row everything, else what differs. */
  values: Row
  before: Row | null
  errors: { field: string; message: string }[]
}

export class HeaderMissing extends Error {}

export const readTable = (table: Table, text: string, rows: readonly Row[], references: References): Line[] => readCells(table, readCsv(text), rows, references)

export function readCells(table: Table, cells: string[][], rows: readonly Row[], references: References): Line[] {
  const [head, ...lines] = cells
  const columns = fileColumns(table)
  const found = (head ?? []).map((title) => columns.find((column) => column.name === title || columnTitle(column) === title))
  const natural = found.findIndex((column) => column?.name === table.natural)
  if (natural < 0) throw new HeaderMissing(table.natural)
  const seen = new Map<string, number>()
  return lines.map((cells, index) => {
    const number = index + 2
    const name = cells[natural] ?? ''
    const before = name ? (rows.find((row) => String(row[table.natural]) === name) ?? null) : null
    const line: Line = { number, key: before ? String(before[table.key]) : null, name, values: {}, before, errors: [] }
    const twice = name ? seen.get(name) : undefined
    if (twice !== undefined) line.errors.push({ field: table.natural, message: t('admin.importTwice', { n: twice }) })
    if (name) seen.set(name, number)
    if (name && !before && table.natural === 'id') line.errors.push({ field: 'id', message: t('admin.importUnknown', { text: name }) })
    readLine(line, table, found, cells, references)
    return line
  })
}

function readLine(line: Line, table: Table, found: (Column | undefined)[], cells: string[], references: References): void {
  found.forEach((column, index) => {
    if (!column || column.name === 'id') return
    try {
      const value = readValue(column, cells[index] ?? '', references)
      if (isMissing(column, value)) throw new Error(t('admin.required'))
      if (!line.before || !isSame(value, line.before[column.name])) line.values[column.name] = value
    } catch (error) {
      line.errors.push({ field: column.name, message: (error as Error).message })
    }
  })
  if (line.before) return
  for (const column of table.columns) {
    if (found.some((one) => one?.name === column.name) || column.shown) continue
    if (column.start) line.values[column.name] = column.start()
    else if (column.required) line.errors.push({ field: column.name, message: t('admin.required') })
  }
}

function readValue(column: Column, cell: string, references: References): Value {
  const text = cell.trim()
  if (column.type === 'roles') return text.split(/[;；]/).map((one) => one.trim()).filter(Boolean).map((one) => readRole(one, references))
  if (column.type === 'flag') return readFlag(text)
  const value = settled(column, text)
  if (column.type === 'list') return value
  if (value === null || value === '') return value
  switch (column.type) {
    case 'date':
      if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) throw new Error(t('admin.importDate'))
      return text
    case 'number':
      if (!/^-?\d+$/.test(text)) throw new Error(t('admin.importNumber'))
      return Number(text)
    case 'choice': {
      const choice = column.choices!.find((one) => one === text || t(`${column.words!}.${one}`) === text)
      if (!choice) throw new Error(t('admin.importUnknown', { text }))
      return choice
    }
    case 'reference':
      return readReference(column.of!, text, references)
    default:
      return text
  }
}

function readFlag(text: string): boolean {
  if (YES.includes(text.toLowerCase())) return true
  if (NO.includes(text.toLowerCase())) return false
  throw new Error(t('admin.importFlag'))
}

function readReference(entity: EntityName, text: string, references: References): string {
  const rows = references.rows(entity)
  const named = rows.filter((row) => row.name === text)
  const row = rows.find((one) => one.id === text || one.code === text) ?? (named.length === 1 ? named[0] : undefined)
  if (!row) throw new Error(t('admin.importUnknown', { text }))
  return String(entity === 'recognition_item' ? row.code : row.id)
}

function readRole(text: string, references: References): RoleAt {
  const [role = '', centre] = text.split('@', 2)
  if (!ROLES.includes(role)) throw new Error(t('admin.importUnknown', { text }))
  return { role: role as RoleAt['role'], centre_id: centre ? readReference('centre', centre, references) : null }
}
