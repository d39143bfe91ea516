/** What the columns of a result file are: the choices of a page, and the mapping that they make. */

export type Column = string | number

export interface WideTest {
  column: Column
  code: string
  unit: string
  flags?: Column
}
export interface FileMapping {
  layout: 'long' | 'wide'
  encoding: string
  delimiter: string
  heading_row: number
  columns: Record<string, Column>
  tests: WideTest[]
  time_format: string
  control_prefixes: string[]
  splits_flags: boolean
}

/** In the order in which people look for them. */
export const MEANINGS = [
  'barcode', 'test', 'test_name', 'value', 'unit', 'flags', 'reference_range', 'date', 'time',
  'name', 'sex', 'birth_date', 'patient_id', 'department', 'bed', 'kind', 'rack', 'place',
  'status', 'operator', 'instrument', 'method', 'dilution', 'comment',
] // prettier-ignore
/** Of one result: a file with a specimen in a row has them in its test columns. */
const OF_A_RESULT = ['test', 'test_name', 'value', 'unit', 'flags', 'reference_range', 'status']
export const TEST = '_test'
export const TEST_FLAGS = '_flags'

export const meaningsFor = (layout: FileMapping['layout']) =>
  layout === 'long' ? MEANINGS : [TEST, TEST_FLAGS, ...MEANINGS.filter((one) => !OF_A_RESULT.includes(one))]

/** By its heading where that is its own, else by its number from 1. */
export function columnAt(headings: string[], at: number): Column {
  const heading = headings[at] ?? ''
  return heading && headings.filter((one) => one.trim().toLowerCase() === heading.trim().toLowerCase()).length === 1 ? heading : at + 1
}

export function placeOf(headings: string[], column: Column): number {
  return typeof column === 'number' ? column - 1 : headings.findIndex((one) => one.trim().toLowerCase() === column.trim().toLowerCase())
}

export const testAt = (mapping: FileMapping, headings: string[], at: number) => mapping.tests.find((one) => placeOf(headings, one.column) === at)

export function meaningAt(mapping: FileMapping, headings: string[], at: number): string {
  if (mapping.layout === 'wide') {
    if (testAt(mapping, headings, at)) return TEST
    if (mapping.tests.some((one) => one.flags !== undefined && placeOf(headings, one.flags) === at)) return TEST_FLAGS
  }
  const allowed = meaningsFor(mapping.layout)
  return Object.keys(mapping.columns).find((one) => allowed.includes(one) && placeOf(headings, mapping.columns[one]!) === at) ?? ''
}

/** The mapping after a person said what a column is; "" takes back what was said. A meaning moves: one column has it. */
export function withMeaning(mapping: FileMapping, headings: string[], at: number, meaning: string): FileMapping {
  const isHere = (column: Column | undefined) => column !== undefined && placeOf(headings, column) === at
  const columns = Object.fromEntries(Object.entries(mapping.columns).filter(([name, column]) => name !== meaning && !isHere(column)))
  const tests: WideTest[] = mapping.tests.filter((one) => !isHere(one.column)).map(({ flags, ...one }) => (flags === undefined || isHere(flags) ? one : { ...one, flags }))
  const column = columnAt(headings, at)
  if (meaning === TEST) tests.push({ column, ...codeAndUnit(headings[at] ?? '') })
  else if (meaning === TEST_FLAGS) {
    const left = tests.filter((one) => placeOf(headings, one.column) < at).sort((a, b) => placeOf(headings, b.column) - placeOf(headings, a.column))[0]
    if (left) left.flags = column
  } else if (meaning) columns[meaning] = column
  tests.sort((a, b) => placeOf(headings, a.column) - placeOf(headings, b.column))
  return { ...mapping, columns, tests }
}

/** As the server keeps it: nothing of the other layout, no code that is empty. */
export function kept(mapping: FileMapping): FileMapping {
  const allowed = meaningsFor(mapping.layout)
  return {
    ...mapping,
    columns: Object.fromEntries(Object.entries(mapping.columns).filter(([name]) => allowed.includes(name))),
    tests: mapping.layout === 'wide' ? mapping.tests.filter((one) => one.code.trim()) : [],
  }
}

/** What it lacks to be a mapping at all; "" for nothing. */
export function lacks(mapping: FileMapping): '' | 'value' | 'test' | 'tests' {
  const { columns, tests } = kept(mapping)
  if (mapping.layout === 'wide') return tests.length ? '' : 'tests'
  if (!('test' in columns) && !('test_name' in columns)) return 'test'
  return 'value' in columns ? '' : 'value'
}

/** "GLU(mmol/L)" names a unit too. */
export function codeAndUnit(heading: string): { code: string; unit: string } {
  const found = /^(.+?)\s*[(（[](.+)[)）\]]$/.exec(heading.trim())
  return found ? { code: found[1]!, unit: found[2]! } : { code: heading.trim(), unit: '' }
}
