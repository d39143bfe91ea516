import type { Same } from '../same'
import type { ecg as chinese } from '../zh/ecg'

export const ecg: Same<typeof chinese> = {
  none: 'This examination has no ECG recording yet.',
}
