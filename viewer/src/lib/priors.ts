/** The timeline of a patient: lines in their order, by kind, with what each concludes in one line. */
import { t } from '@/i18n'
import type { Kind, Prior } from '@/api/types'
import { arrowOf, unitText } from '@/lib/lab/sheet'
import { itemName } from '@/lib/lab/words'

const KINDS: readonly Kind[] = ['imaging', 'ecg', 'laboratory', 'pathology']

/** When it was made, as far as is known. */
export const madeAt = (prior: Pick<Prior, 'studied_at' | 'received_at'>): string => prior.studied_at ?? prior.received_at

export const newestFirst = (priors: readonly Prior[]): Prior[] => [...priors].sort((a, b) => Date.parse(madeAt(b)) - Date.parse(madeAt(a)))

/** Each kind that there is, with how many lines it has. */
export function kindsOf(priors: readonly Prior[]): { kind: Kind; n: number }[] {
  return KINDS.map((kind) => ({ kind, n: priors.filter((one) => one.kind === kind).length })).filter(({ n }) => n > 0)
}

export const ofKind = (priors: readonly Prior[], kind: Kind | ''): Prior[] => priors.filter((one) => !kind || one.kind === kind)

/** The one beside it, staying at either end; the first where none is chosen. */
export function step(priors: readonly Prior[], from: string, by: 1 | -1): string {
  const at = priors.findIndex((one) => one.examination_id === from)
  const next = at < 0 ? 0 : Math.min(priors.length - 1, Math.max(0, at + by))
  return priors[next]?.examination_id ?? ''
}

/** `血红蛋白 ↓ 98 g/L`, what is critical first; how many more there are at the end. */
export function abnormalText(prior: Pick<Prior, 'abnormal' | 'abnormal_count'>): string {
  const items = prior.abnormal.map((one) => `${itemName(one)} ${arrowOf(one.abnormal)} ${one.value} ${unitText(one.unit)}`.trim())
  const more = prior.abnormal_count - prior.abnormal.length
  return [...items, ...(more > 0 ? [t('reading.timeline.moreItems', { n: more }, more)] : [])].join(t('reading.timeline.joint'))
}

/** What it says, in one line; a specimen says its abnormal items. */
export function conclusionOf(prior: Prior): string {
  if (prior.abnormal.length) return abnormalText(prior)
  if (prior.report) return prior.report.impression.replace(/\s*\n\s*/g, ' ').trim() || t(prior.kind === 'laboratory' ? 'reading.timeline.noneAbnormal' : 'reading.timeline.noWords')
  return t('reading.priorNoReport')
}

/** Whether its images or its tracing stand beside those that are read: only of what one page shows. */
export function comparable(prior: Pick<Prior, 'kind' | 'study_instance_uid'>, kind: Kind): boolean {
  const page = (one: Kind) => (one === 'pathology' ? 'imaging' : one)
  return Boolean(prior.study_instance_uid) && kind !== 'laboratory' && page(prior.kind) === page(kind)
}
