/** A rule book on a page: its versions, the one that is looked at, a draft that is edited, tried and put live. */
import { computed, ref, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { onBeforeRouteLeave, onBeforeRouteUpdate } from 'vue-router'
import { lines as linesOf, Problem } from '@/api/client'
import { dryRun, keepDraft, letLive, makeDraft, readBook, readVersion, type Book, type Told, type Version } from '@/api/ruleBooks'
import { useNotice } from '@/stores/notice'

export type RuleBook<C, R> = ReturnType<typeof useRuleBook<C, R>>

const copy = <T>(one: T) => JSON.parse(JSON.stringify(one)) as T

/** `shown` is told of a version that was made, so that the page's address names it. */
export function useRuleBook<C, R>(name: Ref<string>, centre: Ref<string>, shown: (version: number) => Promise<unknown>) {
  const { t } = useI18n()
  const notice = useNotice()
  const book = ref(null) as Ref<Book<C> | null>
  const version = ref(null) as Ref<Version<C, R> | null>
  const content = ref(null) as Ref<C | null>
  const note = ref('')
  const busy = ref('')
  const asking = ref(false)
  const failure = ref<unknown>(null)
  const progress = ref<{ done: number; of: number } | null>(null)

  const editable = computed(() => book.value?.may_set === true && version.value?.state === 'draft')
  const differs = (from: Pick<Version<C, R>, 'content' | 'note'>) => JSON.stringify(content.value) !== JSON.stringify(from.content) || note.value !== from.note
  const changed = computed(() => version.value !== null && differs(version.value))
  const problems = computed(() => Object.fromEntries(failure.value instanceof Problem ? failure.value.errors.map((one) => [one.field, one.message]) : []))

  function show(found: Version<C, R> | null): void {
    version.value = found
    content.value = copy(found?.content ?? book.value!.in_force)
    note.value = found?.note ?? ''
    asking.value = false
  }

  /** The answer to a deed with what was here when it began: what was written since stays. */
  function answered(found: Version<C, R>, sent: Pick<Version<C, R>, 'content' | 'note'>): void {
    if (differs(sent)) version.value = found
    else show(found)
  }

  async function attempt(what: string, deed: () => Promise<void>): Promise<void> {
    busy.value = what
    failure.value = null
    try {
      await deed()
    } catch (error) {
      failure.value = error
    } finally {
      busy.value = ''
    }
  }

  async function readLines(): Promise<void> {
    book.value = await readBook<C>(name.value, centre.value)
  }

  let asked = 0

  /** The version that the address names, else the live one, else the newest; without any, what is in force. */
  const open = (wanted: string | undefined) =>
    attempt('open', async () => {
      const mine = (asked += 1)
      const read = await readBook<C>(name.value, centre.value)
      const found = read.items.find((one) => String(one.version) === wanted) ?? read.items.find((one) => one.state === 'live') ?? read.items[0]
      const whole = found ? await readVersion<C, R>(name.value, found.id) : null
      if (mine !== asked) return // another was asked for meanwhile
      book.value = read
      if (whole && whole.id === version.value?.id && changed.value) version.value = whole // read again under what is being written
      else show(whole)
    })
  const draft = () =>
    attempt('draft', async () => {
      await shown((await makeDraft<C, R>(name.value, centre.value)).version)
    })
  const save = () =>
    attempt('save', async () => {
      const sent = { content: copy(content.value!), note: note.value }
      answered(await keepDraft<C, R>(name.value, version.value!.id, sent.content, sent.note), sent)
      notice.say(t('ruleBook.saved'))
      await readLines()
    })
  const tryIt = () =>
    attempt('try', async () => {
      const request = dryRun(name.value, version.value!.id)
      const sent = { content: copy(content.value!), note: note.value }
      try {
        for await (const told of linesOf<Told<C, R>>(request)) {
          if (told.rules) return answered(told.rules, sent)
          if (told.failed) throw new Problem(409, told.failed, '', t('ruleBook.moved'), `POST ${request}`)
          if ('done' in told) progress.value = told
        }
        throw new Problem(0, 'unreachable', '', '', `POST ${request}`) // it ended without an outcome
      } finally {
        progress.value = null
      }
    })
  const goLive = () =>
    attempt('live', async () => {
      show(await letLive<C, R>(name.value, version.value!.id))
      notice.say(t('ruleBook.wentLive', { n: version.value!.version }))
      await readLines()
    })
  const leaveOnlySaved = () => !changed.value || window.confirm(t('ruleBook.leave'))
  onBeforeRouteLeave(leaveOnlySaved)
  onBeforeRouteUpdate(leaveOnlySaved)
  return { book, version, content, note, busy, asking, failure, progress, editable, changed, problems, attempt, readLines, open, draft, save, tryIt, goLive }
}
