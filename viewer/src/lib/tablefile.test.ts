import { describe, expect, it } from 'vitest'
import type { Row } from '@/api/operations'
import { inTableOrder, tableOf, type EntityName, type References } from './administration'
import { HeaderMissing, readTable, writeTable } from './tablefile'

const rows: Partial<Record<EntityName, Row[]>> = {
  institution: [{ id: 'i1', code: 'H01', name: '县医院', kind: 'lead_hospital' }, { id: 'i2', code: 'T01', name: '青石镇', kind: 'township' }],
  centre: [{ id: 'c1', institution_id: 'i1', kind: 'imaging', name: '影像中心' }],
  person: [{ id: 'p1', username: 'li', name: '李敏', institution_id: 'i1', enabled: true, roles: [{ role: 'reader', centre_id: 'c1' }, { role: 'it', centre_id: null }] }],
  device: [{ id: 'd1', institution_id: 'i2', ae_title: 'CT1', name: 'CT', modality: 'CT', address: null, character_set: null, enabled: true, certificates: ['ab'.repeat(32), 'CN=CT1,O=东乡'], tls_exception: 'none', tls_exception_reason: '', tls_exception_until: null, last_heard_at: null }],
}
const references: References = { rows: (entity) => rows[entity] ?? [] }
const device = tableOf('device')!
const person = tableOf('person')!
const read = (text: string, table = device) => readTable(table, text, references.rows(table.entity), references)

describe('a table as a file', () => {
  it('changes nothing when it comes back as it was', () => {
    for (const table of [device, person]) {
      const [line] = read(writeTable(table, references.rows(table.entity), references), table)
      expect(line).toMatchObject({ values: {}, errors: [] })
      expect(line!.key).not.toBeNull()
    }
  })

  it('names other rows by their codes', () => {
    expect(writeTable(device, rows.device!, references)).toContain('CT1,CT,T01,CT,,,,,,,是')
    expect(writeTable(person, rows.person!, references)).toContain('reader@影像中心; it')
  })

  it('takes several certificates out of one cell, in either kind of semicolon', () => {
    const [line] = read('ae_title,certificates\nCT1,CN=CT1；CN=CT2; CN=CT3\n')
    expect(line).toMatchObject({ values: { certificates: ['CN=CT1', 'CN=CT2', 'CN=CT3'] }, errors: [] })
    expect(read('ae_title,certificates\nCT1,\n')[0]).toMatchObject({ values: { certificates: [] } })
  })

  it('carries only what differs, and everything of a new row', () => {
    const [known, fresh] = read('ae_title,name,institution_id\nCT1,CT 2,T01\nDR1,DR,青石镇\n')
    expect(known).toMatchObject({ key: 'd1', values: { name: 'CT 2' } })
    expect(fresh).toMatchObject({ key: null, values: { ae_title: 'DR1', institution_id: 'i2', enabled: true }, errors: [] })
  })

  it('says at which line and field something cannot be used', () => {
    const [bad, twice] = read('呼叫 AE,机构,启用\nDR1,没有,也许\nDR1,T01,否\n')
    expect(bad!.errors.map((error) => error.field)).toEqual(['institution_id', 'enabled'])
    expect(twice!.errors).toEqual([{ field: 'ae_title', message: '与第 2 行重复。' }])
  })

  it('needs the column that rows are matched by', () => {
    expect(() => read('name\nx\n')).toThrow(HeaderMissing)
  })

  it('stands as its readers know it, where its keys say nothing', () => {
    const statement = tableOf('ecg_statement')!
    const lines = [{ code: 'a', group: 'conclusion', position: 10 }, { code: 'b', group: 'rhythm', position: 20 }, { code: 'c', group: 'rhythm', position: 3 }]
    expect(inTableOrder(statement, lines).map((row) => row.code)).toEqual(['c', 'b', 'a'])
    expect(inTableOrder(device, lines).map((row) => row.code)).toEqual(['a', 'b', 'c'])
  })
})
