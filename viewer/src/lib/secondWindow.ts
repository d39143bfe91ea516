/**
 * The images on the second monitor. The window there shows what this page says is on stage, and nothing else: it looks
 * here several times a second, so that images never stand beside the report of somebody else, whatever becomes of either.
 */
import { computed, shallowRef } from 'vue'

export interface OnStage {
  /** Another one is another loading of the images. */
  key: string
  /** Null: the images are put away. */
  address: string | null
  /** Whose images these are, as the report beside them says. */
  patient: string
  number: string
  examination: string
}

/** What the other window finds here. */
export interface Stage {
  now: OnStage | null
  adopt: (other: Window) => void
  key: (event: KeyboardEvent) => void
}

declare global {
  interface Window {
    gatewayStage?: Stage
  }
}

export const CHANGED = 'gateway-stage'
const NAME = 'gateway-images'
const LOOK_MS = 500

const other = shallowRef<Window | null>(null)
export const isApart = computed(() => other.value !== null)
let onKey: (event: KeyboardEvent) => void = () => {}
let watching: ReturnType<typeof setInterval> | undefined

const stage: Stage = { now: null, adopt: hold, key: (event) => onKey(event) }

function hold(one: Window): void {
  other.value = one
  clearInterval(watching)
  watching = setInterval(() => one.closed && letGo(), LOOK_MS)
}

function letGo(): void {
  clearInterval(watching)
  other.value = null
}

/** This page has a stage from now on; a window that a page before it had opened finds it. */
export function haveStage(): void {
  window.gatewayStage = stage
}

/** Opens the window. False: the browser did not let it. */
export function openApart(): boolean {
  haveStage()
  const made = window.open('/app/images', NAME, 'popup,width=1600,height=1000')
  if (made) hold(made)
  return made !== null
}

export function closeApart(): void {
  stage.now = null
  other.value?.close()
  letGo()
}

/** What is to be seen there; null: nothing. */
export function putOnStage(what: OnStage | null, keys: (event: KeyboardEvent) => void = () => {}): void {
  stage.now = what
  onKey = keys
  other.value?.dispatchEvent(new Event(CHANGED))
}

/** The window of OHIF there; null while there is none. */
export function viewerApart(): Window | null {
  return other.value?.document.querySelector('iframe')?.contentWindow ?? null
}
