/** A rule book said in words, line by line: what a version differs in, without its field names. */
import type { AssignmentContent, Content, Fits, RoutingContent } from '@/api/assignment'
import { t } from '@/i18n'
import type { Said } from '@/lib/differing'
import { joined } from '@/lib/joined'

/** Names by id, of centres and institutions. */
export type Names = ReadonlyMap<string, string>

const field = (name: string) => t(`assignmentRules.field.${name}`)
const join = (parts: (string | false | null | undefined)[]) => parts.filter(Boolean).join(' · ')
const list = (name: string, values: string[]) => values.length > 0 && t('word.said', { name: field(name), value: joined(values) })

function fits(what: Fits, names: Names): string {
  return join([joined(what.modalities), list('bodyParts', what.body_parts), list('institutions', what.institutions.map((id) => names.get(id) ?? id)), list('words', what.words)]) || t('assignmentRules.any')
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
