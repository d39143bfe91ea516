/** Inputs of a score: which are asked, which are missing, and its words in the impression. */
import type { Rated, Scheme, ScoreInput } from '@/api/scores'
import type { KeptScore, ScoreInputs } from './written'

export const isAsked = (input: ScoreInput, said: ScoreInputs): boolean => Object.entries(input.when ?? {}).every(([name, values]) => values.includes(String(said[name] ?? '')))
export const asked = (scheme: Scheme, said: ScoreInputs): ScoreInput[] => scheme.inputs.filter((input) => isAsked(input, said))

/** Only what is asked; what does not apply any more is not sent. Asked again until nothing depends on what went. */
export function relevant(scheme: Scheme, said: ScoreInputs): ScoreInputs {
  const kept = Object.fromEntries(asked(scheme, said).flatMap(({ name }) => (said[name] === undefined || said[name] === '' ? [] : [[name, said[name]!]])))
  return Object.keys(kept).length === Object.keys(said).length ? kept : relevant(scheme, kept)
}

export const isComplete = (scheme: Scheme, said: ScoreInputs): boolean => asked(scheme, said).every((input) => !input.required || (said[input.name] !== undefined && said[input.name] !== ''))

export const wordsOf = (rated: Pick<Rated, 'text' | 'advice'>): string => rated.text + rated.advice

const isOf = (scheme: Scheme, modality: string): boolean => modality.toUpperCase().split('\\').some((one) => scheme.modalities.includes(one))

/** Whether it is for this examination: of a part that is not known, any of its modality may be. */
export const isFor = (scheme: Scheme, modality: string, bodyPart: string): boolean => isOf(scheme, modality) && (!bodyPart || !scheme.body_parts.length || scheme.body_parts.includes(bodyPart.toUpperCase()))

/** Those that are for the examination first; the others stay within reach. */
export function inOrder(schemes: readonly Scheme[], modality: string, bodyPart: string): Scheme[] {
  const rank = (one: Scheme) => (isFor(one, modality, bodyPart) ? 0 : isOf(one, modality) ? 1 : 2)
  return schemes.map((one, at) => [rank(one), at, one] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, , one]) => one)
}

/** Where words stand that a score wrote before: they are replaced there, else the new ones go behind everything. */
export function placeOf(impression: string, before: KeptScore | null): { from: number; to: number; text: (words: string) => string } {
  const old = before?.text === undefined ? '' : wordsOf({ text: before.text, advice: before.advice ?? '' })
  const at = old ? impression.indexOf(old) : -1
  if (at >= 0) return { from: at, to: at + old.length, text: (words) => words }
  const end = impression.trimEnd().length
  return { from: end, to: impression.length, text: (words) => (end ? `\n${words}` : words) }
}
