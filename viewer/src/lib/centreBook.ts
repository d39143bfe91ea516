/** The rule book of a centre, as a page shows it: which centre and which version stand in the page's address. */
import { computed, ref, watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import type { Kind } from '@/api/types'
import { useCentres } from '@/lib/centres'
import { useRuleBook } from '@/lib/ruleBook'

export function useCentreBook<C, R>(name: string, fits: (kind: Kind) => boolean = () => true) {
  const route = useRoute()
  const router = useRouter()
  const { centres: all, problem: noCentres, ready, load: loadCentres } = useCentres()
  const loaded = ref(false)
  const centres = computed(() => all.value.filter((one) => fits(one.kind)))
  const centre = computed(() => String(route.query.of ?? '') || (centres.value[0]?.id ?? ''))
  const address = (version?: number) => ({ of: centre.value, version: version === undefined ? undefined : String(version) })
  const rules = useRuleBook<C, R>(ref(name), centre, (made) => router.replace({ query: address(made) }))

  async function show(): Promise<void> {
    await ready
    loaded.value = true
    if (centre.value) await rules.open(typeof route.query.version === 'string' ? route.query.version : undefined)
  }
  watch([centre, () => route.query.version], () => void show(), { immediate: true })
  const choose = (id: string) => router.push({ query: { of: id } })
  return { centres, centre, loaded, noCentres, loadCentres, address, choose, rules }
}

export type CentreBook<C, R> = ReturnType<typeof useCentreBook<C, R>>
