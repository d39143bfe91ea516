import { createPinia } from 'pinia'
import { createApp, watch } from 'vue'
import { configure } from './api/client'
import App from './App.vue'
import { i18n } from './i18n'
import { dropImages } from './lib/imagesFrame'
import { closeApart } from './lib/secondWindow'
import { router } from './router'
import { useSession } from './stores/session'
import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './styles/base.css'

const app = createApp(App).use(createPinia()).use(i18n)

const session = useSession()
configure({
  signedOut: () => {
    session.accept(null)
  },
})

// A session that ends while a page is open leads to the sign-in page and back to where it was.
watch(
  () => session.user,
  (user, before) => {
    if (user?.id !== before?.id) {
      dropImages()
      closeApart()
    }
    const here = router.currentRoute.value
    if (!user && before && !here.meta.open) void router.push({ path: '/sign-in', query: { to: here.fullPath } })
  },
)

app.use(router).mount('#app')
