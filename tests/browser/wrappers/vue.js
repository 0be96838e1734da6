import { createApp, h, shallowReactive } from 'vue';
import App from './App.vue';

const props = shallowReactive({});
const app = createApp({ render: () => h(App, props) });

export function show(jobId) {
  const first = !props.jobId;
  props.jobId = jobId;
  if (first) app.mount(document.body);
}
export const close = () => app.unmount();
