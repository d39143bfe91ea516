/** Sound, only for what cannot wait: two short tones, once. Silent where the browser forbids sound before a click. */
export function soundAlarm(): void {
  const context = new AudioContext()
  for (const [start, pitch] of [[0, 880], [0.22, 1175]] as const) {
    const tone = context.createOscillator()
    const volume = context.createGain()
    tone.frequency.value = pitch
    volume.gain.setValueAtTime(0.15, context.currentTime + start)
    volume.gain.exponentialRampToValueAtTime(0.001, context.currentTime + start + 0.18)
    tone.connect(volume).connect(context.destination)
    tone.start(context.currentTime + start)
    tone.stop(context.currentTime + start + 0.2)
  }
  setTimeout(() => void context.close(), 1_000)
}
