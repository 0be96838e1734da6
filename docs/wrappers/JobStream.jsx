/* <JobStream jobId="…" jobStatus="in_progress" onTaskUpdate={…} onJobUpdate={…} />, React 18 and 19 */
import { useLayoutEffect, useRef } from 'react';
import 'joblight/element';

export function JobStream({ jobId, jobStatus, onTaskUpdate, onJobUpdate }) {
  const element = useRef(null);
  useLayoutEffect(() => { Object.assign(element.current, { onTaskUpdate, onJobUpdate }); });
  return <task-event-stream ref={element} job-id={jobId} job-status={jobStatus} />;
}
