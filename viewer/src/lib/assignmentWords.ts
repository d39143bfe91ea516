/** A rule book said in words, line by line: what a version differs in, without its field names. */
import type { AssignmentContent, Content, Fits, RoutingContent } from '@/api/assignment'
import { t } from '@/i18n'

/** Names by id, of centres and institutions. */
export type Names = ReadonlyMap<string, string>

export interface Said {
  label: string
  lines: string[]
}

export interface Difference {
  label: string
  gone: string[]
  come: string[]
}

const field = (name: string) => t(`assignmentRules.field.${name}`)
const join = (parts: (string | false | null | undefined)[]) => parts.filter(Boolean).join(' · ')
const list = (name: string, values: string[]) => values.length > 0 && t('word.said', { name: field(name), value: values.join('、') })

function fits(what: Fits, names: Names): string {
  return join([what.modalities.join('、'), list('bodyParts', what.body_parts), list('institutions', what.institutions.map((id) => names.get(id) ?? id)), list('words', what.words)]) || t('assignmentRules.any')
}

export function isRouting(content: Content): content is RoutingContent {
  return 'routes' in content
}

export function inWords(content: Content, names: Names): Said[] {
  return isRouting(content) ? routing(content, names) : assignment(content, names)
}

function routing(content: RoutingContent, names: Names): Said[] {
  const centre = (id: string) => (id === 'lead' ? t('assignmentRules.lead') : (names.get(id) ?? id))
  return [
    { label: t('assignmentRules.routes'), lines: content.routes.map((one, i) => `${i + 1}. ${t(`kind.${one.kind}`)} · ${fits(one, names)} → ${join([centre(one.centre), one.subspecialty])}`) },
    {
      label: t('assignmentRules.overflows'),
      lines: content.overflows.map((one) => `${centre(one.from)} → ${centre(one.to)} · ${join([one.waiting !== null && `${field('waiting')} ${one.waiting}`, one.oldest_minutes !== null && `${field('oldest')} ${one.oldest_minutes}`, one.nobody_on_duty && field('nobody')])}`),
    },
  ]
}

function assignment(content: AssignmentContent, names: Names): Said[] {
  const minutes = (n: number) => `${n} ${field('minutes')}`
  return [
    { label: field('mode'), lines: [t(`assignmentRules.mode.${content.mode}`)] },
    { label: t('assignmentRules.turnaround'), lines: content.turnaround.map((one) => `${t(`priority.${one.priority}`)} ${one.modality || t('assignmentRules.any')} · ${minutes(one.minutes)}`) },
    { label: t('assignmentRules.urgencies'), lines: content.urgencies.map((one) => `${fits(one, names)} → ${t(`priority.${one.priority}`)}`) },
    { label: field('points'), lines: Object.entries(content.points).map(([modality, points]) => `${modality} ${points}`) },
    { label: field('per100'), lines: [String(content.points_per_100_instances)] },
    { label: field('mostOpen'), lines: [String(content.most_open)] },
    { label: field('continuity'), lines: [content.continuity ? '✓' : '✗'] },
    { label: field('kept'), lines: [String(content.kept_minutes)] },
    { label: field('pauseReasons'), lines: [...content.pause_reasons] },
  ]
}

/** Lines that one has and the other has not; alike parts are left out. */
export function differences(before: Said[], after: Said[]): Difference[] {
  const found = after.map((one, at) => {
    const was = before[at]?.lines ?? []
    return { label: one.label, gone: was.filter((line) => !one.lines.includes(line)), come: one.lines.filter((line) => !was.includes(line)) }
  })
  return found.filter((one) => one.gone.length > 0 || one.come.length > 0)
}
