// The npm package `eventsource` against a joblight server: node eventsource.js PORT JOB
// Prints a line per message; ends when it is told of the end. The server is restarted meanwhile.
import { EventSource } from 'eventsource';

const [port, job] = process.argv.slice(2);
const stream = new EventSource(`http://127.0.0.1:${port}/api/jobs/${job}/task-events`);

stream.onmessage = (event) => {
  const said = JSON.parse(event.data);
  console.log(JSON.stringify({ type: said.type, seq: said.seq, resume: said.resume, id: event.lastEventId }));
  if (said.type === 'end') stream.close();
};
stream.addEventListener('heartbeat', () => console.log('{"type":"heartbeat"}'));
