/* What a server that keeps the contract says of the job j, for scripts. */
export const snapshot = (seq = 1, tasks = []) => ({
  id: 'j', title: 'J', status: 'in_progress', metadata: {}, tasks, deliverables: [],
  seq, epoch: 'e', cursor: `e.${seq}`,
});

export const connected = (since, more) => ({
  type: 'connected', jobId: 'j', status: 'in_progress', title: 'J', epoch: 'e', cursor: since || 'e.1', head: 1,
  resume: since ? 'exact' : 'fresh', heartbeatMs: 30000, watchers: 1, job: since ? undefined : snapshot(), ...more,
});

export const update = (seq) => ({
  type: 'task_update', jobId: 'j', seq, taskId: 't', status: 'in_progress', title: 'T',
  timestamp: '2026-02-05T19:00:00.000Z',
});

export const problem = (status, code, detail, headers) => ({
  status,
  headers: { 'content-type': 'application/problem+json', ...headers },
  body: { type: 'about:blank', title: 'No', status, code, detail },
});
