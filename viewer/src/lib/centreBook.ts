/** The rule book of a centre, as a page shows it: which centre and which version stand in the page's address. */
import { computed, ref, watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import type { Kind } from '@/api/types'
import { useCentres } from '@/lib/centres'
import { useRuleBook } from '@/lib/ruleBook'

interface About {
  /** Kinds of centres that have such a book. */
  fits?: (kind: Kind) => boolean
  /** The county's book that stands on the same page, for administrators. */
  county?: string
}

export function useCentreBook<C, R>(name: string, { fits = () => true, county = '' }: About = {}) {
  const route = useRoute()
  const router = useRouter()
  const { admin, centres: all, institutions, problem: noCentres, ready, load: loadCentres } = useCentres()
  const loaded = ref(false)
  const countyBook = admin ? county : ''
  const centres = computed(() => all.value.filter((one) => fits(one.kind)))
  /** The id of a centre, or the name of the county's book. */
  const chosen = computed(() => String(route.query.of ?? '') || countyBook || (centres.value[0]?.id ?? ''))
  const ofCounty = computed(() => county !== '' && chosen.value === county)
  const centre = computed(() => (ofCounty.value ? '' : chosen.value))
  const address = (version?: number) => ({ of: chosen.value, version: version === undefined ? undefined : String(version) })
  const rules = useRuleBook<C, R>(computed(() => (ofCounty.value ? county : name)), centre, (made) => router.replace({ query: address(made) }))

  async function show(): Promise<void> {
    await ready
    loaded.value = true
    if (chosen.value) await rules.open(typeof route.query.version === 'string' ? route.query.version : undefined)
  }
  watch([chosen, () => route.query.version], () => void show(), { immediate: true })
  const choose = (id: string) => router.push({ query: { of: id } })
  return { centres, institutions, centre, chosen, countyBook, loaded, noCentres, loadCentres, address, choose, rules }
}

export type CentreBook<C, R> = ReturnType<typeof useCentreBook<C, R>>
