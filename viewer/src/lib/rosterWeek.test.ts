import { describe, expect, it } from 'vitest'
import { gridOf, weekOf } from './rosterWeek'

const line = { id: null, position: 1, weekdays: '', begins: '', ends: '', first_day: null, last_day: null }

describe('a week of a roster', () => {
  it('begins on Monday', () => {
    expect(weekOf('2026-11-22')[0]).toBe('2026-11-16') // a Sunday
    expect(weekOf('2026-11-23', 1)).toEqual(['2026-11-30', '2026-12-01', '2026-12-02', '2026-12-03', '2026-12-04', '2026-12-05', '2026-12-06'])
  })

  it('gives the place of the absent to whoever stands in, and to nobody who is away too', () => {
    const days = weekOf('2026-11-23')
    const away = { id: null, first_day: '2026-11-24', last_day: '2026-11-24', note: '' }
    const duty = [{ ...line, person_id: 'wang', weekdays: '12', begins: '18:00', ends: '08:00' }]
    const [wang, li] = gridOf({ duty, absences: [{ ...away, person_id: 'wang', cover_id: 'li' }], qualifications: [] }, days)
    expect(wang!.cells.map((one) => one.shifts.length)).toEqual([1, 0, 0, 0, 0, 0, 0])
    expect(wang!.cells[1]!.away?.cover_id).toBe('li')
    expect(li!.cells[1]!.shifts).toEqual([{ hours: '18:00–08:00', coversFor: 'wang', position: 1 }])
    const none = gridOf({ duty, absences: [{ ...away, person_id: 'wang', cover_id: 'li' }, { ...away, person_id: 'li', cover_id: null }], qualifications: [] }, days)
    expect(none.map((one) => one.personId)).toEqual(['wang'])
  })
})
