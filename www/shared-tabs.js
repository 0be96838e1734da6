/* One connection for all the tabs of an origin; shared-socket.d.ts describes it. */
export { digest } from './client/digest.js';
export { Tabs } from './client/tabs.js';
