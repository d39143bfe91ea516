/** A choice of the person that this computer remembers. */
import { ref, watch, type Ref } from 'vue'

export function remembered<T>(key: string, otherwise: T): Ref<T> {
  const text = localStorage.getItem(key)
  const value = ref(text === null ? otherwise : (JSON.parse(text) as T)) as Ref<T>
  watch(value, (now) => localStorage.setItem(key, JSON.stringify(now)))
  return value
}
