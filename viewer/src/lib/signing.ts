/** What stands between a report and its signature: doubts, and of a text that the reviewer changed its grade. */
import { computed, ref, watch, type Ref, type ShallowRef } from 'vue'
import { useI18n } from 'vue-i18n'
import { Problem } from '@/api/client'
import type { Verdict } from '@/api/checking'
import type { TaskDetail } from '@/api/types'
import { useChecks } from './checks'
import { difference, isChanged } from './difference'
import type { DraftStore } from './draft'

type Deed = 'sign' | 'submit'

export function useSigning(taskId: string, detail: ShallowRef<TaskDetail | null>, draft: DraftStore, editable: Ref<boolean>) {
  const { t } = useI18n()
  const grading = ref(false)
  const verdict = ref<Verdict | null>(null)
  const may = computed(() => detail.value?.permissions)
  const preliminary = computed(() => may.value?.sign_preliminary === true && draft.words.preliminary)
  const verb = computed<Deed | null>(() => (may.value?.sign || preliminary.value ? 'sign' : may.value?.submit ? 'submit' : null))
  const signText = computed(() => (preliminary.value ? t('checking.signPreliminary') : t(verb.value === 'sign' ? 'reading.sign' : 'reading.submit')))
  const checks = useChecks(taskId, draft, () => detail.value?.task.kind !== 'laboratory' && (editable.value || verb.value !== null))

  /** Against what the writer handed on, while it is reviewed. */
  const baseline = computed(() => (detail.value?.task.state === 'submitted' || detail.value?.submission?.preliminary ? detail.value.submission : null))
  const changes = computed(() => ({
    findings: baseline.value ? difference(baseline.value.findings, draft.words.findings) : [],
    impression: baseline.value ? difference(baseline.value.impression, draft.words.impression) : [],
  }))
  const changed = computed(() => isChanged(changes.value.findings) || isChanged(changes.value.impression) || (baseline.value !== null && baseline.value.critical !== draft.words.critical))
  // Another text wants another grade.
  watch(() => [draft.words.findings, draft.words.impression], () => (verdict.value = null))

  /** True when nothing is left to be said; otherwise what is asked is on the page. */
  async function settled(): Promise<boolean> {
    if (!(await checks.settle())) return false
    const reviews = detail.value?.task.state === 'submitted'
    grading.value = reviews && changed.value && verdict.value === null
    return !grading.value
  }

  /** The server saw something that the page did not: it is asked for here, and is no problem. */
  function refused(problem: Ref<unknown>): void {
    if (!(problem.value instanceof Problem)) return
    if (problem.value.code === 'report_doubted') void checks.settle()
    else if (problem.value.code === 'grade_required') grading.value = true
    else return
    problem.value = null
  }

  const handOn = () => ({ overrides: checks.overrides(), discrepancy: detail.value?.task.state === 'submitted' ? verdict.value : null })

  return { checks, verb, signText, changes, grading, verdict, settled, refused, handOn }
}
