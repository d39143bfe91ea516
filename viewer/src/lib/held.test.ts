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

  it('mark what differs', () => {
    expect(lines.filter((line) => line.differs)).toEqual([{ field: 'patient_name', label: '姓名', incoming: '王秀英', existing: '王秀兰', differs: true }])
  })
})
