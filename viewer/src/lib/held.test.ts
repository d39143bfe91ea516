import { describe, expect, it } from 'vitest'
import { compare } from './held'

describe('both sides of a held original', () => {
  const lines = compare({
    incoming: { rows: 512, patient_id: 'A1', patient_name: '王秀英' },
    existing: { patient_id: 'A1', patient_name: '王秀兰', accession_number: '' },
    differences: [{ field: 'patient_name', incoming: '王秀英', existing: '王秀兰' }],
  })

  it('begin with whose it is, and leave out what both leave blank', () => {
    expect(lines.map((line) => line.field)).toEqual(['patient_name', 'patient_id', 'rows'])
  })

  it('tell a blank from what one side does not speak of', () => {
    expect(lines.at(-1)).toMatchObject({ field: 'rows', incoming: '512', existing: null })
  })

  it('read as people write them, and as they were sent where that would hide the difference', () => {
    const [name, sex, date, problems] = compare({
      incoming: { patient_name: 'Wang^Qiang=王^强', patient_sex: 'F', study_date: '20261120', problems: ['study_instance_uid missing'] },
      existing: { patient_name: 'Wang Qiang=王强', patient_sex: 'F', study_date: '20261120' },
      differences: [{ field: 'patient_name', incoming: 'Wang^Qiang=王^强', existing: 'Wang Qiang=王强' }],
    })
    expect(name).toMatchObject({ incoming: 'Wang^Qiang=王^强', existing: 'Wang Qiang=王强' })
    expect([sex?.incoming, date?.incoming, problems?.incoming]).toEqual(['女', '2026-11-20', '检查 UID：缺失'])
    expect(compare({ incoming: { patient_name: 'Li^Na=李^娜' }, existing: null, differences: [] })[0]?.incoming).toBe('李娜  Li Na')
  })

  it('mark what differs', () => {
    expect(lines.filter((line) => line.differs)).toEqual([{ field: 'patient_name', label: '姓名', incoming: '王秀英', existing: '王秀兰', differs: true }])
  })
})
