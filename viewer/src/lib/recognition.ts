/** What a doctor says of matches, and what a card's number says of its bearer while it is typed. */
import type { Choice, Decision, MatchGroup, Reason } from '@/api/recognition'

export interface Answer {
  decision: Choice | null
  reason_code: string
  note: string
  told_patient: boolean
}
export type Answers = Record<string, Answer>

const CARD = /^\d{6}(\d{4})(\d{2})(\d{2})\d{2}(\d)[\dXx]$/

export function birthOf(number: string): string {
  const found = CARD.exec(number)
  return found ? `${found[1]}-${found[2]}-${found[3]}` : ''
}

export function sexOf(number: string): string {
  const found = CARD.exec(number)
  return found ? (Number(found[4]) % 2 ? 'M' : 'F') : ''
}

/** A choice with all that it needs. */
export function isWhole(answer: Answer | undefined, reasons: readonly Reason[]): boolean {
  if (!answer?.decision) return false
  if (answer.decision === 'adopted') return true
  const reason = reasons.find((one) => one.code === answer.reason_code)
  return reason !== undefined && (!reason.note_required || answer.note.trim() !== '')
}

/** How many answers are missing: of reminders, and of what was begun. */
export function undecided(group: MatchGroup, answers: Answers, reasons: readonly Reason[]): number {
  return group.matches.filter((match) => {
    const answer = match.id ? answers[match.id] : undefined
    return (match.outcome === 'reminder' || answer?.decision) && !isWhole(answer, reasons)
  }).length
}

export function decisionsOf(group: MatchGroup, answers: Answers): Decision[] {
  return group.matches.flatMap((match) => {
    const answer = match.id ? answers[match.id] : undefined
    if (!match.id || !answer?.decision) return []
    const declined = answer.decision === 'declined'
    return [{ match_id: match.id, decision: answer.decision, reason_code: declined ? answer.reason_code : null, note: declined ? answer.note.trim() : '', told_patient: declined && answer.told_patient }]
  })
}
