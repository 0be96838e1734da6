import { mount, unmount } from 'svelte';
import App from './App.svelte';

let app;

export function show(jobId) {
  if (app) app.show(jobId);
  else app = mount(App, { target: document.body, props: { first: jobId } });
}
export const close = () => unmount(app);
