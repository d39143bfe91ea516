/** One upload from choosing to its result; it goes on while its person looks at other pages. */
import { defineStore } from 'pinia'
import { computed, ref, shallowReactive, shallowRef } from 'vue'
import type { Kind } from '@/api/types'
import { ecgParcels } from '@/lib/upload/ecg'
import type { Found } from '@/lib/upload/files'
import { type Labels, otherParcel, rounds } from '@/lib/upload/others'
import { type Outcome, type Parcel, type Refused, send } from '@/lib/upload/sender'
import { groupByPatient, type Item, type PatientGroup, type Skipped, sort } from '@/lib/upload/sorting'
import { batches, stowParcel } from '@/lib/upload/stow'

export type Phase = 'choose' | 'read' | 'review' | 'send' | 'done'
const RATE_OVER_MS = 8_000

export const useUpload = defineStore('upload', () => {
  const phase = ref<Phase>('choose')
  const found = ref(0)
  const read = ref(0)
  const skipped = shallowRef<Skipped[]>([])
  const patients = shallowRef<PatientGroup[]>([])
  const chosen = shallowReactive(new Set<string>())
  const ecgs = shallowRef<Found[]>([])
  const chosenEcgs = shallowReactive(new Set<Found>())
  const chestPain = ref(false)
  const others = shallowRef<Found[]>([])
  const chosenOthers = shallowReactive(new Set<Found>())
  const kind = ref<Kind | ''>('')
  const accession = ref('')
  const items = shallowRef<Found[]>([])
  const accepted = shallowReactive(new Set<Found>())
  const refused = shallowReactive(new Map<Found, Refused>())
  const examinations = shallowReactive(new Map<Found, string>())
  const sentBytes = ref(0)
  const rate = ref(0) // bytes a second, of late
  const retryAt = ref<number | null>(null)
  const problem = shallowRef<unknown>(null)
  const stopped = ref(false)
  let running = new AbortController()
  let seen: { at: number; bytes: number }[] = []

  const totalBytes = computed(() => items.value.reduce((sum, item) => sum + item.file.size, 0))
  const finished = computed(() => accepted.size + refused.size)
  const left = computed(() => items.value.filter((item) => !accepted.has(item) && !refused.has(item)))
  const isBusy = computed(() => phase.value === 'read' || phase.value === 'send')

  async function look(files: Promise<Found[]> | Found[]): Promise<void> {
    clear()
    phase.value = 'read'
    const mine = running
    try {
      const all = await files
      found.value = all.length
      const sorted = await sort(all, (n) => (read.value = n), mine.signal)
      if (mine.signal.aborted) return
      skipped.value = sorted.skipped
      ecgs.value = sorted.ecgs
      for (const one of sorted.ecgs) chosenEcgs.add(one)
      others.value = sorted.others
      patients.value = groupByPatient(sorted.items)
      if (patients.value.length === 1) chosen.add(patients.value[0]!.key)
      phase.value = all.length ? 'review' : 'choose'
    } catch (error) {
      problem.value = error
      phase.value = 'choose'
    }
  }

  function start(): Promise<void> {
    const images = patients.value.filter((one) => chosen.has(one.key)).flatMap((one) => one.studies.flatMap((study) => study.items))
    items.value = [...images, ...chosenEcgs, ...chosenOthers]
    const unticked = [...ecgs.value.filter((one) => !chosenEcgs.has(one)), ...others.value.filter((one) => !chosenOthers.has(one))]
    skipped.value = [...skipped.value, ...unticked.map((one) => ({ path: one.path, reason: 'notTicked' as const }))]
    return go()
  }

  /** Sends what has no answer yet. */
  async function go(): Promise<void> {
    running = new AbortController()
    const mine = running
    phase.value = 'send'
    problem.value = null
    stopped.value = false
    sentBytes.value = totalBytes.value - left.value.reduce((sum, item) => sum + item.file.size, 0)
    seen = []
    try {
      await send(parcels(), { onBytes: count, onOutcome: note, onWaiting: (until) => (retryAt.value = until) }, mine.signal)
    } catch (error) {
      problem.value = error
    }
    if (mine !== running) return
    stopped.value = left.value.length > 0
    retryAt.value = null
    phase.value = 'done'
  }

  function parcels(): Parcel[] {
    const images = left.value.filter((item): item is Item => 'header' in item)
    const rest = left.value.filter((item) => chosenOthers.has(item))
    const recordings = left.value.filter((item) => chosenEcgs.has(item))
    return [...ecgParcels(recordings, chestPain.value), ...batches(images).map(stowParcel), ...rounds(rest).map((files) => otherParcel(files, labels()))]
  }

  function labels(): Labels {
    if (kind.value === '') throw new Error('files without a kind')
    return { kind: kind.value, accession: accession.value }
  }

  function count(bytes: number): void {
    sentBytes.value += bytes
    const at = Date.now()
    seen.push({ at, bytes: sentBytes.value })
    while (seen.length > 2 && at - seen[0]!.at > RATE_OVER_MS) seen.shift()
    const first = seen[0]!
    if (at - first.at > 500) rate.value = Math.max(0, ((sentBytes.value - first.bytes) * 1000) / (at - first.at))
  }

  function note(outcome: Outcome): void {
    for (const { item, examinationId } of outcome.accepted) {
      accepted.add(item)
      if (examinationId) examinations.set(item, examinationId)
    }
    for (const one of outcome.refused) refused.set(one.item, one)
  }

  /** Ends the reading or the sending; what was accepted stays accepted. */
  function cancel(): void {
    running.abort()
    if (phase.value === 'read') clear()
  }

  function clear(): void {
    running.abort()
    running = new AbortController()
    phase.value = 'choose'
    found.value = read.value = sentBytes.value = rate.value = 0
    skipped.value = []
    patients.value = []
    ecgs.value = []
    chosenEcgs.clear()
    chestPain.value = false
    others.value = []
    items.value = []
    kind.value = accession.value = ''
    chosen.clear()
    chosenOthers.clear()
    examinations.clear()
    accepted.clear()
    refused.clear()
    problem.value = null
    retryAt.value = null
    stopped.value = false
  }

  return {
    phase, found, read, skipped, patients, chosen, ecgs, chosenEcgs, chestPain, others, chosenOthers, kind, accession, items, accepted, refused, examinations, sentBytes, totalBytes, rate, retryAt, problem,
    stopped, finished, left, isBusy, look, start, go, cancel, clear,
  }
})
