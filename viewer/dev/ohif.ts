/** For `npm run dev`: OHIF from dist/ohif (after one `npm run build`), as the gateway serves it, with its policy. */
import { createReadStream, existsSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Plugin } from 'vite'

const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.json': 'application/json', '.svg': 'image/svg+xml', '.png': 'image/png', '.woff2': 'font/woff2' }

export function ohif(folder: string, policy: string | undefined): Plugin {
  return {
    name: 'ohif',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = request.url?.split('?')[0] ?? ''
        if (!path.startsWith('/ohif')) return next()
        const file = join(folder, path.slice('/ohif'.length))
        const found = existsSync(file) && statSync(file).isFile() ? file : join(folder, 'index.html')
        response.setHeader('Content-Type', TYPES[extname(found)] ?? 'application/octet-stream')
        // A policy on a script counts only where the script is a worker: there the codecs' glue code needs eval.
        if (policy) response.setHeader('Content-Security-Policy', found.endsWith('.js') ? policy.replace("'wasm-unsafe-eval'", "'wasm-unsafe-eval' 'unsafe-eval'") : policy)
        createReadStream(found).pipe(response)
      })
    },
  }
}
