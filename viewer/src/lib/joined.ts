/** Several things in one line, as the language enumerates them. */
import { t } from '@/i18n'

export const joined = (parts: readonly string[]): string => parts.join(t('word.joint'))

/** Sentences, as far as there are any. */
export const strung = (sentences: readonly (string | null | undefined)[]): string => sentences.filter(Boolean).join(t('word.stop'))
