/** How an analyser's item stands, in the five colours that mean the same on every page. */
import type { ControlStanding, Verdict } from '@/api/control'

export const TONES: Record<ControlStanding, string> = {
  out_of_control: 'now',
  missing: 'care',
  warning: 'care',
  in_control: 'done',
  no_target: '',
  never_run: '',
}
export const VERDICT_TONES: Record<Verdict, string> = { in_control: 'done', warning: 'care', out_of_control: 'now', unknown: '' }
/** The worst first. */
export const STATES: ControlStanding[] = ['out_of_control', 'missing', 'warning', 'no_target', 'never_run', 'in_control']
