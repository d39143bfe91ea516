/** A week of a roster: who works on which day and when, who is away, and who stands in. As the server reckons it. */
import type { AbsenceLine, RosterLines } from '@/api/assignment'

export interface Shift {
  hours: string
  /** Whose place it is, when it is not their own. */
  coversFor: string | null
  position: number
}

export interface Cell {
  day: string
  shifts: Shift[]
  /** Away on that day, though a line would have them work. */
  away: AbsenceLine | null
}

export interface PersonWeek {
  personId: string
  cells: Cell[]
}

const DAY_MS = 86_400_000

/** Monday of the week of a day, and the six that follow. */
export function weekOf(day: string, weeks = 0): string[] {
  const at = Date.parse(`${day}T00:00:00Z`)
  const monday = at - ((new Date(at).getUTCDay() + 6) % 7) * DAY_MS + weeks * 7 * DAY_MS
  return Array.from({ length: 7 }, (_, i) => new Date(monday + i * DAY_MS).toISOString().slice(0, 10))
}

const within = (day: string, first: string | null, last: string | null) => (!first || first <= day) && (!last || day <= last)

/** Everybody with a shift or a place to stand in that week, in the order of the roster. */
export function gridOf(lines: RosterLines, days: readonly string[]): PersonWeek[] {
  const people = new Map<string, Cell[]>()
  const cellsOf = (person: string) => {
    if (!people.has(person)) people.set(person, days.map((day) => ({ day, shifts: [], away: null })))
    return people.get(person)!
  }
  const inOrder = [...lines.duty].sort((a, b) => a.position - b.position)
  for (const line of inOrder) {
    days.forEach((day, at) => {
      if (!line.person_id || (line.weekdays && !line.weekdays.includes(String(at + 1))) || !within(day, line.first_day, line.last_day)) return
      const away = lines.absences.filter((one) => one.first_day <= day && day <= one.last_day)
      const absence = away.find((one) => one.person_id === line.person_id)
      if (absence) cellsOf(line.person_id)[at]!.away = absence
      const works = absence ? absence.cover_id : line.person_id
      if (!works || away.some((one) => one.person_id === works)) return
      cellsOf(works)[at]!.shifts.push({ hours: line.begins && line.ends ? `${line.begins}–${line.ends}` : '', coversFor: absence ? line.person_id : null, position: line.position })
    })
  }
  return [...people].map(([personId, cells]) => ({ personId, cells }))
}
