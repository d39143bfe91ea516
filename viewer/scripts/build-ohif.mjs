// Copies OHIF's built application from npm to dist/ohif, prepared to be served under /ohif/.
//
// Its files are built for the root of a site. Four things name that root: the bundler's public path in the
// entry and worker bundles, `url(/…)` in style sheets, one dynamic import, and index.html. Each is rewritten,
// and the build fails when one is not found: a new version of OHIF must be looked at, not shipped broken.
// It is published with its white space (30 MB of script to read before the first image), so scripts are minified.
// index.html becomes ours: no inline script (so that no 'unsafe-inline' is needed) and no service worker.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { minifySync } from 'rolldown/experimental'

const BASE = '/ohif/'
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const source = join(root, 'node_modules/@ohif/app/dist')
const target = join(root, 'dist/ohif')

// `ort` is 136 MB of ONNX runtime for click-to-segment, which the toolbar of our mode does not offer.
const LEFT_OUT = [/^ort$/, /^init-service-worker\.js$/, /^sw\.js$/, /^_headers$/, /^_redirects$/, /^serve\.json$/, /^google\.js$/, /^silent-refresh\.html$/, /^oidc-client\.min\.js$/, /^manifest\.json$/, /^index\.html$/, /^app-config\.js$/, /\.map$/]
const LEFT_OUT_ASSETS = /^(apple-touch|android-chrome|mstile|firefox|yandex|coast|manifest|browserconfig)/

rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
for (const name of readdirSync(source)) {
  if (LEFT_OUT.some((pattern) => pattern.test(name))) continue
  cpSync(join(source, name), join(target, name), {
    recursive: true,
    filter: (file) => !file.endsWith('.map') && !(dirname(file).endsWith('/assets') && LEFT_OUT_ASSETS.test(file.split('/').at(-1))),
  })
}

function rewrite(files, pattern, replacement, what) {
  let found = 0
  for (const file of files) {
    const path = join(target, file)
    const text = readFileSync(path, 'utf8')
    const changed = text.replace(pattern, () => ((found += 1), replacement))
    if (changed !== text) writeFileSync(path, changed)
  }
  if (found === 0) throw new Error(`@ohif/app: ${what} not found; has its build changed?`)
}

const files = readdirSync(target)
const scripts = files.filter((name) => name.endsWith('.js'))
const styles = files.filter((name) => name.endsWith('.css'))
const entry = scripts.find((name) => /^app\.bundle\..*\.js$/.test(name))
if (!entry) throw new Error('@ohif/app: no app.bundle.*.js')

rewrite(scripts, /__webpack_require__\.p = "\/"/g, `__webpack_require__.p = "${BASE}"`, 'public path')
rewrite(scripts, /browserImportFunction\('\/dicom-microscopy-viewer\//g, `browserImportFunction('${BASE}dicom-microscopy-viewer/`, 'import of the slide viewer')
// Named, so that the reading room can ask for it; of itself OHIF shows two studies as a grid of four, half empty.
rewrite(scripts, /name: '2x1',/g, "id: '2x1', name: '2x1',", 'the stage of two studies side by side')
rewrite(styles, /url\(\//g, `url(${BASE}`, 'font address in style sheets')

for (const name of scripts) {
  const path = join(target, name)
  const { code, errors } = minifySync(name, readFileSync(path, 'utf8'), { module: false, compress: false, mangle: true, codegen: { removeWhitespace: true, legalComments: 'inline' } })
  if (errors.length) throw new Error(`@ohif/app: ${name}: ${errors[0].message}`)
  writeFileSync(path, code)
}

for (const name of ['app-config.js', 'bootstrap.js', 'gateway.css']) cpSync(join(root, 'ohif', name), join(target, name))
writeFileSync(
  join(target, 'index.html'),
  readFileSync(join(root, 'ohif/index.html'), 'utf8').replaceAll('%BASE%', BASE).replace('%ENTRY%', entry),
)
console.log(`OHIF → dist/ohif (${scripts.length} scripts, base ${BASE})`)
