/** A rule book on a page: its versions, the one that is looked at, a draft that is edited, tried and put live. */
import { computed, ref, watch, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { onBeforeRouteLeave, onBeforeRouteUpdate } from 'vue-router'
import { lines as linesOf, Problem } from '@/api/client'
import { dryRun, keepDraft, letLive, makeDraft, readBook, readVersion, type Book, type Told, type Version } from '@/api/ruleBooks'
import { turns } from './turns'
import { useNotice } from '@/stores/notice'
import { useSession } from '@/stores/session'

export type RuleBook<C, R> = ReturnType<typeof useRuleBook<C, R>>

/** Answers that carry the draft as it is by now: somebody else changed it, or let it live. */
const MOVED_ON = new Set(['changed_since', 'rules_not_a_draft'])

const copy = <T>(one: T) => JSON.parse(JSON.stringify(one)) as T

/** `shown` is told of a version that was made, so that the page's address names it. */
export function useRuleBook<C, R>(name: Ref<string>, centre: Ref<string>, shown: (version: number) => Promise<unknown>) {
  const { t } = useI18n()
  const notice = useNotice()
  const session = useSession()
  const person = session.user?.id
  const book = ref(null) as Ref<Book<C> | null>
  const version = ref(null) as Ref<Version<C, R> | null>
  const content = ref(null) as Ref<C | null>
  const note = ref('')
  const busy = ref('')
  const asking = ref(false)
  /** The draft as somebody else left it, while something else stands here. */
  const theirs = ref(null) as Ref<Version<C, R> | null>
  /** What the draft was begun from, where another version went live since; null: not known. */
  const begun = ref(null) as Ref<C | null>
  const failure = ref<unknown>(null)
  const progress = ref<{ done: number; of: number } | null>(null)

  const editable = computed(() => book.value?.may_set === true && version.value?.state === 'draft')
  const differs = (from: Pick<Version<C, R>, 'content' | 'note'>) => JSON.stringify(content.value) !== JSON.stringify(from.content) || note.value !== from.note
  const changed = computed(() => version.value !== null && differs(version.value))
  const problems = computed(() => Object.fromEntries(failure.value instanceof Problem ? failure.value.errors.map((one) => [one.field, one.message]) : []))

  const live = computed(() => book.value?.items.find((one) => one.state === 'live') ?? null)
  /** The live version that going live would take something back of. */
  const overtaken = computed(() => (version.value?.state === 'draft' && live.value && live.value.version !== version.value.begun_from ? live.value : null))
  watch(overtaken, () => void readBegun())

  async function readBegun(): Promise<void> {
    begun.value = null
    const from = overtaken.value && book.value?.items.find((one) => one.version === version.value?.begun_from)
    if (!from) return
    try {
      const read = await readVersion<C, R>(name.value, from.id)
      if (read.version === version.value?.begun_from) begun.value = read.content
    } catch (error) {
      failure.value = error
    }
  }

  function show(found: Version<C, R> | null): void {
    theirs.value = null
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
      if (error instanceof Problem && MOVED_ON.has(error.code) && error.body.current) theirs.value = error.body.current as Version<C, R>
      else failure.value = error
    } finally {
      busy.value = ''
    }
  }

  async function readLines(): Promise<void> {
    book.value = await readBook<C>(name.value, centre.value)
  }

  const begin = turns()

  /** The version that the address names, else the live one, else the newest; without any, what is in force. */
  const open = (wanted: string | undefined) =>
    attempt('open', async () => {
      const isLast = begin()
      const read = await readBook<C>(name.value, centre.value)
      const found = read.items.find((one) => String(one.version) === wanted) ?? read.items.find((one) => one.state === 'live') ?? read.items[0]
      const whole = found ? await readVersion<C, R>(name.value, found.id) : null
      if (!isLast()) return // another was asked for meanwhile
      book.value = read
      if (!whole || whole.id !== version.value?.id || !changed.value) {
        show(whole)
        takeUp()
      } else if (whole.revision === version.value.revision) version.value = whole // read again under what is being written
      else theirs.value = whole
    })
  const draft = () =>
    attempt('draft', async () => {
      await shown((await makeDraft<C, R>(name.value, centre.value)).version)
    })
  const save = () =>
    attempt('save', async () => {
      const sent = { content: copy(content.value!), note: note.value }
      answered(await keepDraft<C, R>(name.value, version.value!.id, sent.content, sent.note, version.value!.revision), sent)
      notice.say(t('ruleBook.saved'))
      await readLines()
    })
  const tryIt = () =>
    attempt('try', async () => {
      const request = dryRun(name.value, version.value!.id)
      const sent = { content: copy(content.value!), note: note.value }
      try {
        for await (const told of linesOf<Told<C, R>>(request, version.value!.revision)) {
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
      try {
        show(await letLive<C, R>(name.value, version.value!.id, version.value!.revision, live.value?.version ?? 0))
      } catch (error) {
        if (error instanceof Problem && error.code === 'rules_live_moved') await readLines() // what it would take back is shown
        asking.value = false
        throw error
      }
      notice.say(t('ruleBook.wentLive', { n: version.value!.version }))
      await readLines()
    })
  /** What stands here becomes a draft of its own, beside the one that somebody else changed. */
  const keepMine = () =>
    attempt('draft', async () => {
      const made = await makeDraft<C, R>(name.value, centre.value, { content: content.value!, note: note.value, begun_from: version.value!.begun_from })
      show(made)
      notice.say(t('ruleBook.elsewhere.kept', { n: made.version }))
      await shown(made.version)
    })
  const takeTheirs = () =>
    attempt('open', async () => {
      show(theirs.value)
      await readLines()
    })
  /** The session ended under what is being written: it waits in this window until the same person is back. */
  const placeOf = (id: string) => `gateway.rules.${person}.${id}`
  function putBy(): void {
    sessionStorage.setItem(placeOf(version.value!.id), JSON.stringify({ content: content.value, note: note.value, revision: version.value!.revision }))
  }

  function takeUp(): void {
    const place = version.value && placeOf(version.value.id)
    const text = place && sessionStorage.getItem(place)
    if (!place || !text || !version.value) return
    const kept = JSON.parse(text) as { content: C; note: string; revision: string }
    const found = version.value
    content.value = kept.content
    note.value = kept.note
    sessionStorage.removeItem(place)
    if (!changed.value) return
    notice.say(t('ruleBook.takenUp'))
    if (kept.revision !== found.revision || found.state !== 'draft') theirs.value = found
  }

  function leaveOnlySaved(): boolean {
    if (!changed.value) return true
    if (session.user) return window.confirm(t('ruleBook.leave'))
    putBy()
    return true
  }
  onBeforeRouteLeave(leaveOnlySaved)
  onBeforeRouteUpdate(leaveOnlySaved)
  return { book, version, content, note, busy, asking, failure, progress, editable, changed, problems, theirs, begun, live, overtaken, attempt, readLines, open, draft, save, tryIt, goLive, keepMine, takeTheirs }
}
