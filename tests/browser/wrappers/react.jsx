/* A React application around the wrapper. */
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { JobStream } from '../../../docs/wrappers/JobStream.jsx';

function App({ jobId }) {
  const [task, setTask] = useState({});
  const [status, setStatus] = useState('in_progress');
  return (
    <StrictMode>
      <JobStream jobId={jobId} jobStatus={status} onTaskUpdate={setTask} onJobUpdate={setStatus} />
      <output>{task.taskId} is {task.status}, the job {status}</output>
    </StrictMode>
  );
}

const root = createRoot(document.body);
export const show = (jobId) => root.render(<App jobId={jobId} />);
export const close = () => root.unmount();
