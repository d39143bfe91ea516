/** Items and results to test with. */
import type { LabItemShown, LabResult } from '@/api/lab'

export function result(part: Partial<LabResult> = {}): LabResult {
  return {
    id: 'r', run: 1, version: 1, status: 'F', value: '128', number: 128, comparator: '', unit: 'g/L', range: { low: 130, high: 175, text: '' }, abnormal: 'L', critical: false, delta: null,
    instrument_flags: [], comments: [], dilution: '', method: '', operator: '', device: null, observed_at: '2026-11-21T06:30:00Z', received_at: '2026-11-21T06:31:00Z', reported: {}, control_state: 'in_control',
    verification: 'waiting', stops: [], verified_at: null, verified_by: null, remark: '', message_id: null, ...part,
  }
}

export function item(code: string, one: Partial<LabResult> | null = {}, part: Partial<LabItemShown> = {}): LabItemShown {
  return { item_code: code, name: code, name_en: '', abbreviation: '', section: 'haematology', panel: null, unit: '', position: 0, ordered: true, result: one && result({ id: code, ...one }), needs_word: false, earlier: [], history: [], rerun: null, mark: null, ...part }
}
