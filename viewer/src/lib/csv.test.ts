import { describe, expect, it } from 'vitest'
import { CsvBroken, decodeText, readCsv, writeCsv } from './csv'

describe('csv', () => {
  it('reads what it wrote', () => {
    const lines = [['名称', 'a,b', 'say "hi"'], ['two\nlines', '', '-5'], ['=SUM(A1)', '+86', '@x']]
    expect(readCsv(writeCsv(lines))).toEqual(lines)
  })

  it('keeps a spreadsheet from running text as a formula', () => {
    expect(writeCsv([['=1+1', '-5']])).toContain("'=1+1,-5")
  })

  it('reads semicolons, bare newlines and a missing last newline', () => {
    expect(readCsv('a;b\n1;2\r\n\n3;')).toEqual([['a', 'b'], ['1', '2'], ['3', '']])
  })

  it('does not guess where a quote ends', () => {
    expect(() => readCsv('a,"b\n1,2')).toThrow(CsvBroken)
    expect(() => readCsv('a,"b"c\n')).toThrow(CsvBroken)
  })

  it('reads the encoding of a Chinese office', () => {
    expect(decodeText(new Uint8Array([0xc3, 0xfb, 0xb3, 0xc6]).buffer)).toBe('名称')
    expect(decodeText(new TextEncoder().encode('名称').buffer as ArrayBuffer)).toBe('名称')
  })
})
