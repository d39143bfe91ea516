import { describe, expect, it } from 'vitest'
import { columnAt, kept, lacks, meaningAt, TEST, TEST_FLAGS, testAt, withMeaning, type FileMapping } from './columns'

const EMPTY: FileMapping = { layout: 'long', encoding: '', delimiter: ',', heading_row: 1, columns: {}, tests: [], time_format: '', control_prefixes: [], splits_flags: true }
const HEADINGS = ['样本号', '项目', '结果', '结果', '']

describe('columns of a result file', () => {
  it('are named by a heading that is their own, else by their number', () => {
    expect(HEADINGS.map((_, at) => columnAt(HEADINGS, at))).toEqual(['样本号', '项目', 3, 4, 5])
  })

  it('have one meaning each, and a meaning moves with the choice', () => {
    let mapping = withMeaning(EMPTY, HEADINGS, 2, 'value')
    mapping = withMeaning(mapping, HEADINGS, 3, 'value')
    expect(mapping.columns).toEqual({ value: 4 })
    mapping = withMeaning(mapping, HEADINGS, 3, 'unit')
    expect(mapping.columns).toEqual({ unit: 4 })
    expect(meaningAt(mapping, HEADINGS, 3)).toBe('unit')
    expect(withMeaning(mapping, HEADINGS, 3, '').columns).toEqual({})
  })

  it('say what they lack', () => {
    let mapping = withMeaning(EMPTY, HEADINGS, 0, 'barcode')
    expect(lacks(mapping)).toBe('test')
    mapping = withMeaning(mapping, HEADINGS, 1, 'test')
    expect(lacks(mapping)).toBe('value')
    expect(lacks(withMeaning(mapping, HEADINGS, 2, 'value'))).toBe('')
    expect(lacks({ ...mapping, layout: 'wide' })).toBe('tests')
  })

  it('hold tests of a specimen in a row, with unit and flags beside them', () => {
    const headings = ['No', 'GLU(mmol/L)', 'flag', 'K']
    let mapping: FileMapping = { ...EMPTY, layout: 'wide' }
    mapping = withMeaning(mapping, headings, 3, TEST)
    mapping = withMeaning(mapping, headings, 1, TEST)
    mapping = withMeaning(mapping, headings, 2, TEST_FLAGS)
    expect(mapping.tests).toEqual([
      { column: 'GLU(mmol/L)', code: 'GLU', unit: 'mmol/L', flags: 'flag' },
      { column: 'K', code: 'K', unit: '' },
    ])
    expect(headings.map((_, at) => meaningAt(mapping, headings, at))).toEqual(['', TEST, TEST_FLAGS, TEST])
    expect(testAt(withMeaning(mapping, headings, 2, ''), headings, 1)).toEqual({ column: 'GLU(mmol/L)', code: 'GLU', unit: 'mmol/L' })
    expect(kept({ ...mapping, layout: 'long' }).tests).toEqual([])
  })
})
