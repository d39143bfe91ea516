/** Words that go behind those that are there. */
export function appended(text: string, more: string): string {
  return [text.trimEnd(), more].filter(Boolean).join('\n')
}
