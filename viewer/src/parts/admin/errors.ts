import { Problem } from '@/api/client'

/** The server's sentences by the field that they are about: `roles.0.centre_id` is about `roles`. */
export function errorsByField(error: unknown): Record<string, string> {
  if (!(error instanceof Problem)) return {}
  return Object.fromEntries(error.errors.map((one) => [one.field.split('.')[0]!, one.message]))
}
