/**
 * Why a device was turned away, as a sentence for the person beside it and what to do.
 *
 * A-ASSOCIATE-RJ: PS3.8 Table 9-21, written `result/source/reason`. C-STORE: PS3.4 Table B.2-1, PS3.7 Annex C.
 */
import { i18n, t } from '@/i18n'

/** source/reason → key; the result only says whether trying again may help. */
const REJECTIONS: Readonly<Record<string, string>> = {
  '1/1': 'noReason',
  '1/2': 'applicationContext',
  '1/3': 'callingUnknown',
  '1/7': 'calledUnknown',
  '2/1': 'noReason',
  '2/2': 'protocolVersion',
  '3/1': 'busy',
  '3/2': 'tooMany',
}

/** First that fits, most specific first. */
const STATUSES: readonly [RegExp, string][] = [
  [/^A7/, 'outOfResources'],
  [/^A8/, 'classUnknown'],
  [/^A9/, 'contradiction'],
  [/^C/, 'notUnderstood'],
  [/^B000$/, 'coerced'],
  [/^B006$/, 'elementsDropped'],
  [/^B007$/, 'contradictionWarning'],
  [/^0105$/, 'noSuchAttribute'],
  [/^0106$/, 'invalidValue'],
  [/^0110$/, 'processing'],
  [/^0111$/, 'duplicate'],
  [/^0117$/, 'invalidUid'],
  [/^0122$/, 'classNotAgreed'],
  [/^0124$/, 'notAuthorised'],
  [/^0211$/, 'unknownOperation'],
  [/^0212$/, 'mistyped'],
]

export interface Refused {
  what: 'connection' | 'association' | 'instance' | 'message' | 'file'
  reason: string
  advice?: string | null
}

export interface Explained {
  text: string
  advice: string
  /** The terms of the standard, where there are any. */
  technical: string
}

export function explain(refused: Refused): Explained {
  const found = keyOf(refused)
  if (!found) return { text: refused.reason || t('refusal.noReason.text'), advice: refused.advice || '', technical: '' }
  const [key, technical] = found
  return { text: t(`refusal.${key}.text`), advice: refused.advice || t(`refusal.${key}.advice`), technical }
}

function keyOf({ what, reason }: Refused): [string, string] | null {
  const text = reason.trim()
  const rejection = /^(?:([12])\/)?([123])\/([0-7])$/.exec(text)
  if (rejection) return known(REJECTIONS[`${rejection[2]}/${rejection[3]}`], `A-ASSOCIATE-RJ ${text}`)
  if (what === 'association' && /^[0-7]$/.test(text)) return known(REJECTIONS[`1/${text}`], `A-ASSOCIATE-RJ ${text}`)
  const status = /^(?:0x)?([0-9A-F]{4})H?$/i.exec(text)?.[1]?.toUpperCase()
  if (!status) return null
  return known(STATUSES.find(([pattern]) => pattern.test(status))?.[1], `C-STORE ${status}H`)
}

function known(key: string | undefined, technical: string): [string, string] {
  return [key && i18n.global.te(`refusal.${key}.text`) ? key : 'other', technical]
}
