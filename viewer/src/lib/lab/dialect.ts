/** What a profile may say beside its codes: how its ASTM wire departs from the usual, and maps of words. */
import type { Dialect, ProfileContent } from '@/api/labHeld'

/** As `adapters/lab/dialect.py` has them: what holds where a profile says nothing. */
export const USUAL: Required<Dialect> = {
  barcode_field: 0,
  barcode_component: 0,
  test_component: 0,
  query_component: 0,
  dilution_field: false,
  answer_text_limit: 240,
  answer_one_record_each: true,
  action_code: 'N',
  report_type: 'Q',
  termination: 'F',
  says_unknown: true,
}
type Name = keyof Dialect
export const PLACES = ['barcode_component', 'test_component', 'query_component'] as const
export const LETTERS = ['action_code', 'report_type', 'termination'] as const
export const TICKS = ['dilution_field', 'answer_one_record_each', 'says_unknown'] as const

/** One field said anew. What is as usual is not said: a later release may know better. */
export function withField(dialect: Dialect | undefined, name: Name, value: number | string | boolean): Dialect | undefined {
  const said: Dialect = { ...dialect, [name]: value }
  if (value === USUAL[name]) delete said[name]
  return Object.keys(said).length ? said : undefined
}

/** A content without what is empty, so that opening and closing a section is no change. */
export function without<T extends ProfileContent>(content: T, name: keyof ProfileContent, value: unknown): T {
  const found = { ...content, [name]: value }
  const empty = value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  if (empty) delete found[name]
  return found
}

/** Tests that are mapped to an item with a unit, and whose unit neither the message nor the mapping says. */
export function withUnits(content: ProfileContent, units: Map<string, string>): ProfileContent {
  const tests = { ...content.tests }
  for (const [name, unit] of units) {
    const meaning = tests[name]
    if (meaning?.item && !meaning.unit) tests[name] = { ...meaning, unit }
  }
  return { ...content, tests }
}
