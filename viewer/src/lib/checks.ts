/** What may be wrong with the draft on the page: asked for quietly after a pause, and once more before it is handed on. */
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import { checkDraft, type Checked, type Doubt } from '@/api/checking'
import { Problem } from '@/api/client'
import type { DraftStore } from './draft'

const PAUSE_MS = 1_500

/** Where characters lie in UTF-16, which is what a text field counts in. */
export function unitsOf(text: string, begin: number, end: number): [number, number] {
  const characters = Array.from(text)
  const units = (until: number) => characters.slice(0, until).join('').length
  return [units(begin), units(end)]
}

export function useChecks(taskId: string, draft: DraftStore, active: () => boolean) {
  const checked = shallowRef<Checked | null>(null)
  /** What was said here and goes with the next deed: key → reason. */
  const said = ref<Record<string, string>>({})
  /** They are shown in full: somebody wanted to hand it on, or to see them. */
  const open = ref(false)
  const problem = shallowRef<unknown>(null)
  let timer: ReturnType<typeof setTimeout> | undefined

  const standing = computed(() => {
    const known = new Set([...(checked.value?.overrides ?? []).map((one) => one.key), ...Object.keys(said.value)])
    return (checked.value?.doubts ?? []).filter((one) => !known.has(one.key))
  })
  const settled = computed(() => (checked.value?.doubts ?? []).filter((one) => one.key in said.value))
  const needsReason = (doubt: Doubt): boolean => checked.value?.reasoned.includes(doubt.code) ?? false

  async function ask(): Promise<boolean> {
    try {
      checked.value = await checkDraft(taskId, draft.revision)
      problem.value = null
      return true
    } catch (error) {
      // A newer text is shown by whoever follows the draft; it is checked when it is there.
      if (!(error instanceof Problem && error.status === 412)) problem.value = error
      return false
    }
  }

  /** Before it is handed on. True when nothing stands; otherwise the list is open. */
  async function settle(): Promise<boolean> {
    if (!(await ask())) return false
    open.value = standing.value.length > 0
    return !open.value
  }

  function override(doubt: Doubt, reason: string): void {
    said.value = { ...said.value, [doubt.key]: reason }
    if (!standing.value.length) open.value = false
  }

  function takeBack(doubt: Doubt): void {
    said.value = Object.fromEntries(Object.entries(said.value).filter(([key]) => key !== doubt.key))
  }

  /** What goes with the deed: of those that are still there. */
  const overrides = (): { key: string; reason: string }[] => settled.value.map((one) => ({ key: one.key, reason: said.value[one.key] ?? '' }))

  watch(
    () => [draft.revision, active()] as const,
    ([revision, wanted]) => {
      clearTimeout(timer)
      if (wanted && revision) timer = setTimeout(() => void ask(), PAUSE_MS)
    },
    { immediate: true },
  )
  onScopeDispose(() => clearTimeout(timer))

  return { checked, standing, settled, open, problem, needsReason, settle, override, takeBack, overrides }
}

export type Checks = ReturnType<typeof useChecks>
