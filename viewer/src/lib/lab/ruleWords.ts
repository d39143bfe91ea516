/** Rules of verification said in words, line by line: what a version of the book changes. */
import type { Rule } from '@/api/control'
import { t } from '@/i18n'
import type { Said } from '@/lib/differing'
import { joined } from '@/lib/joined'

/** Names of items by code. */
type Names = ReadonlyMap<string, string>

const NUMBERS = ['percent', 'equals', 'tolerance', 'factor', 'tolerance_percent'] as const
const named = (codes: readonly string[], names: Names) => codes.map((code) => names.get(code) ?? code)
const field = (name: string, value: string) => t('word.said', { name: t(`labRules.field.${name}`), value })

export const titleOf = (rule: Rule): string => rule.name || t(`labRules.rule.${rule.code}.name`)

/** What it concerns. */
export function scopeOf(rule: Rule, names: Names): string {
  const said = [...named(rule.items, names), ...rule.sections.map((one) => t(`labRules.section.${one}`))]
  return said.length ? joined(said) : t('labRules.everything')
}

export const relationOf = (rule: Rule, names: Names): string => `${t(`labRules.check.${rule.check || 'sum'}`)} · ${joined(named(rule.of ?? [], names))}`

export const inWords = (rules: readonly Rule[], names: Names): Said[] => rules.map((rule) => ({ label: titleOf(rule), lines: linesOf(rule, names) }))

function linesOf(rule: Rule, names: Names): string[] {
  const own = rule.code === 'consistency' ? [relationOf(rule, names)] : [`${t('labRules.scope')}: ${scopeOf(rule, names)}`]
  const numbers = NUMBERS.flatMap((name) => (rule[name] === undefined || rule[name] === null ? [] : [field(name, String(rule[name]))]))
  const missing = rule.code === 'control' ? [field('missing', rule.missing === false ? '✗' : '✓')] : []
  return [`${t('labRules.on')} ${rule.enabled ? '✓' : '✗'}`, ...own, ...numbers, ...missing]
}
