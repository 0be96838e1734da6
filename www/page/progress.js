/* The progress of a job, computed from its tasks. */

function share({ status, progress }) {
  if (status === 'completed' || status === 'failed') return 1;
  return Math.min(100, Math.max(0, progress || 0)) / 100;
}

/** Cancelled tasks are not counted. A failed task counts as done. */
export function progressOf(tasks) {
  let all = 0;
  let done = 0;
  let sum = 0;
  for (const task of tasks) {
    if (task.status === 'cancelled') continue;
    all++;
    if (task.status === 'completed') done++;
    sum += share(task);
  }
  return { all, done, part: all ? sum / all : 0 };
}
