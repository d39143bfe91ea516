/** A rule book on a page: its versions, the one that is looked at, a draft that is edited, tried and put live. */
import { computed, ref, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { lines as linesOf, Problem } from '@/api/client'
import { dryRun, keepDraft, letLive, makeDraft, readBook, readVersion, type Book, type Told, type Version } from '@/api/ruleBooks'
import { useNotice } from '@/stores/notice'

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
  const changed = computed(() => version.value !== null && (JSON.stringify(content.value) !== JSON.stringify(version.value.content) || note.value !== version.value.note))
  const problems = computed(() => Object.fromEntries(failure.value instanceof Problem ? failure.value.errors.map((one) => [one.field, one.message]) : []))

  function show(found: Version<C, R> | null): void {
    version.value = found
    content.value = copy(found?.content ?? book.value!.in_force)
    note.value = found?.note ?? ''
    asking.value = false
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

  /** The version that the address names, else the live one, else the newest; without any, what is in force. */
  const open = (wanted: string | undefined) =>
    attempt('open', async () => {
      await readLines()
      const lines = book.value!.items
      const found = lines.find((one) => String(one.version) === wanted) ?? lines.find((one) => one.state === 'live') ?? lines[0]
      show(found ? await readVersion<C, R>(name.value, found.id) : null)
    })
  const draft = () =>
    attempt('draft', async () => {
      await shown((await makeDraft<C, R>(name.value, centre.value)).version)
    })
  const save = () =>
    attempt('save', async () => {
      show(await keepDraft<C, R>(name.value, version.value!.id, content.value!, note.value))
      notice.say(t('ruleBook.saved'))
      await readLines()
    })
  const tryIt = () =>
    attempt('try', async () => {
      const request = dryRun(name.value, version.value!.id)
      try {
        for await (const told of linesOf<Told<C, R>>(request)) {
          if (told.rules) return show(told.rules)
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
  return { book, version, content, note, busy, asking, failure, progress, editable, changed, problems, attempt, readLines, open, draft, save, tryIt, goLive }
}
