/** Keyboard shortcuts of a page. They never fire while an input method composes, nor (but for Ctrl ones) in a text field. */
import { onScopeDispose, ref, shallowRef, watch } from 'vue'

export interface Shortcut {
  /** `j`, `?`, `Enter`, `Escape`, `Ctrl+Enter`, `g`… */
  key: string
  /** Message key for the help overlay; absent: not listed. */
  help?: string | (() => string)
  /** How the key stands in the overlay, where one line speaks for several. */
  shown?: string
  /** Absent: always. */
  when?: () => boolean
  /** Also inside a text field. */
  always?: boolean
  run: () => void
}

const active = shallowRef<Shortcut[][]>([])
export const helpOpen = ref(false)

export function toggleHelp(): void {
  helpOpen.value = !helpOpen.value
}

export function shortcutsShown(): Shortcut[] {
  return active.value.flat().filter((shortcut) => shortcut.help && shortcut.when?.() !== false)
}

/** An IME swallows keys while it composes: `isComposing`, or keyCode 229 in older engines. */
export function composing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229
}

export function nameOf(event: KeyboardEvent): string {
  const modified = event.ctrlKey || event.metaKey
  return `${modified ? 'Ctrl+' : ''}${event.altKey ? 'Alt+' : ''}${event.key}`
}

/** Also in a frame, whose elements are none of this window's classes. */
export function inText(target: EventTarget | null): boolean {
  const element = target as Partial<HTMLInputElement> | null
  const name = element?.tagName?.toLowerCase()
  if (name === 'input') return !['checkbox', 'radio', 'button', 'submit', 'file'].includes(element?.type ?? '')
  return name === 'textarea' || name === 'select' || element?.isContentEditable === true
}

/** On a button or link Enter and Space belong to it. */
function ownsKey(target: EventTarget | null, key: string): boolean {
  return (key === 'Enter' || key === ' ') && target instanceof HTMLElement && target.closest('button, a, summary') !== null
}

export function handle(event: KeyboardEvent, shortcuts: Shortcut[]): boolean {
  if (composing(event) || event.defaultPrevented) return false
  const key = nameOf(event)
  const found = shortcuts.find((shortcut) => shortcut.key === key && shortcut.when?.() !== false)
  if (!found || (inText(event.target) && !found.always) || ownsKey(event.target, key)) return false
  event.preventDefault()
  found.run()
  return true
}

function listen(event: KeyboardEvent): void {
  if (helpOpen.value) {
    handle(event, [
      { key: 'Escape', always: true, run: toggleHelp },
      { key: '?', run: toggleHelp },
    ])
    return
  }
  if (keep(event)) return
  // The page opened last is asked first.
  for (const group of [...active.value].reverse()) if (handle(event, group)) return
}

/** Keys pressed while a page is on its way, in their order. */
let kept: KeyboardEvent[] = []
let holder: (() => boolean) | null = null

/** Only what one key writes is kept; what signs is not: nobody signs what they have not seen. */
function keep(event: KeyboardEvent): boolean {
  if (!holder?.() || event.defaultPrevented || composing(event) || inText(event.target) || ownsKey(event.target, event.key)) return false
  if (event.key.length !== 1 || event.ctrlKey || event.metaKey) return false
  event.preventDefault()
  if (!event.repeat) kept.push(new KeyboardEvent('keydown', event))
  return true
}

function pressKept(): void {
  const keys = kept
  kept = []
  for (const event of keys) {
    // One of them may have led into a text field, and those behind it were meant for that.
    if (inText(document.activeElement)) document.execCommand('insertText', false, event.key)
    else listen(event)
  }
}

/** While `loading`, keys wait, and are pressed once it is over: here, or on the page that opens next, if that holds them too. */
export function holdKeys(loading: () => boolean): void {
  if (!loading()) kept = []
  holder = loading
  watch(loading, (still) => still || pressKept(), { flush: 'post' })
  onScopeDispose(() => {
    if (holder === loading) holder = null
    queueMicrotask(() => {
      if (!holder) kept = []
    })
  })
}

export function useShortcuts(shortcuts: Shortcut[]): void {
  if (active.value.length === 0) window.addEventListener('keydown', listen)
  active.value = [...active.value, shortcuts]
  onScopeDispose(() => {
    active.value = active.value.filter((group) => group !== shortcuts)
    if (active.value.length === 0) window.removeEventListener('keydown', listen)
  })
}
