/** 核查规则 said in words, line by line, to show what a version changes; and the fields that are refused, by their names. */
import type { CheckingContent } from '@/api/checking'
import { t } from '@/i18n'
import type { Said } from '@/lib/differing'
import { joined } from '@/lib/joined'

const rule = (name: string) => t(`checking.rules.${name}`)
/** The words of a book, and what they are called. */
export const WORD_LISTS = [['female_words', 'female'], ['male_words', 'male'], ['quick_reasons', 'quick']] as const

export function inWords(content: CheckingContent): Said[] {
  const critical = { label: rule('criticalWords'), lines: content.critical_words.map((one) => [one.word, one.modalities.join(',')].filter(Boolean).join(' ')) }
  const lists = WORD_LISTS.map(([name, word]) => ({ label: rule(word), lines: [...content[name]] }))
  return [...content.checks.map((one) => ({ label: t(`checking.name.${one.check}`), lines: [standing(one)] })), { label: rule('preliminary'), lines: preliminary(content.preliminary) }, critical, ...lists]
}

function standing(one: CheckingContent['checks'][number]): string {
  if (!one.on) return rule('off')
  return one.reason ? `${rule('on')} · ${rule('reasonWanted')}` : rule('on')
}

function preliminary(said: CheckingContent['preliminary']): string[] {
  if (!said.allowed) return [rule('notAllowed')]
  const priorities = joined(said.priorities.map((one) => t(`priority.${one}`)))
  return [[`${said.begins}–${said.ends}`, priorities].filter(Boolean).join(' · '), t('word.said', { name: rule('final'), value: said.final_minutes })]
}

/** `preliminary.priorities` → 临时报告 · 适用的优先级. */
export function fieldWords(field: string): string {
  const [part, at] = field.split('.')
  const list = WORD_LISTS.find(([name]) => name === part)?.[1] ?? (part === 'critical_words' ? 'criticalWords' : undefined)
  if (list) return at === undefined ? rule(list) : t('checking.rules.line', { list: rule(list), n: Number(at) + 1 })
  if (part === 'preliminary') return [rule('preliminary'), at && rule(at === 'final_minutes' ? 'final' : at)].filter(Boolean).join(' · ')
  return part === 'checks' ? rule('check') : field
}
