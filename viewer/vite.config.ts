import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import components from 'unplugin-vue-components/vite'
import { defineConfig } from 'vitest/config'
import { mockGateway } from './dev/mock'
import { ohif } from './dev/ohif'

/** `npm run dev` answers from generated data; with GATEWAY set, from that gateway (`GATEWAY=http://127.0.0.1:8080`). */
const gateway = process.env.GATEWAY
/** Without one, images may come from any DICOMweb server: `DICOMWEB=http://127.0.0.1:8042/dicom-web`; `OHIF_POLICY` tries a content security policy. */
const dicomweb = process.env.DICOMWEB
const wires = ['/api', '/dicomweb', '/ohif', '^/v/']

function proxies() {
  if (gateway) return Object.fromEntries(wires.map((path) => [path, { target: gateway }]))
  if (!dicomweb) return undefined
  const { origin, pathname } = new URL(dicomweb)
  return { '/dicomweb': { target: origin, rewrite: (path: string) => path.replace('/dicomweb', pathname) } }
}

export default defineConfig(({ command }) => ({
  base: '/app/',
  plugins: [
    vue(),
    components({ dts: false, dirs: [], resolvers: [ElementPlusResolver({ importStyle: 'css' })] }),
    ...(command === 'serve' && !gateway ? [mockGateway(), ohif(fileURLToPath(new URL('./dist/ohif', import.meta.url)), process.env.OHIF_POLICY)] : []),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  define: { __VUE_I18N_LEGACY_API__: false, __VUE_I18N_FULL_INSTALL__: true },
  // The largest chunk is the charts' (600 kB, 200 kB packed), which only pages with a chart load.
  build: { outDir: 'dist/app', emptyOutDir: true, target: 'es2022', chunkSizeWarningLimit: 650 },
  server: {
    host: '127.0.0.1',
    proxy: proxies(),
  },
  test: { environment: 'happy-dom' },
}))
