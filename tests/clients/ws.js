// The npm package `ws` against a joblight server: node ws.js PORT JOB
// It watches, reports 200 updates pipelined, repeats one, sends a command, ends the job.
import WebSocket from 'ws';

const [port, job] = process.argv.slice(2);
const UPDATES = 200;
const socket = new WebSocket(`ws://127.0.0.1:${port}/api/ws?job=${job}`, 'joblight.v1');
const said = { protocol: null, resume: null, seqs: [], acks: [], duplicates: 0, pings: 0, pong: false };
const send = (message) => socket.send(JSON.stringify(message));
const update = (i) => ({ type: 'update', id: `k${i}`, jobId: job, taskId: 't', note: `${i} é` });

function hear(message) {
  if (message.type === 'connected') {
    said.resume = message.resume;
    for (let i = 0; i < UPDATES; i++) send(update(i));
    send(update(0));
    send({ type: 'command', id: 'c', jobId: job, command: 'comment', args: { text: 'well done' } });
    socket.ping('are you there');
  } else if (message.type === 'ack') {
    said.acks.push(message.id);
    if (message.duplicate) said.duplicates++;
    if (message.id === 'c') finish();
  } else if (message.seq && message.type !== 'end') {
    said.seqs.push(message.seq);
  } else if (message.type === 'error') {
    throw new Error(JSON.stringify(message));
  }
}

async function finish() {
  const answer = await fetch(`http://127.0.0.1:${port}/api/jobs/${job}`, {
    method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: '{"status":"completed"}',
  });
  if (!answer.ok) throw new Error(`PATCH answered ${answer.status}`);
}

socket.on('open', () => { said.protocol = socket.protocol; });
socket.on('ping', () => { said.pings++; });
socket.on('pong', (data) => { said.pong = data.toString() === 'are you there'; });
socket.on('message', (data, binary) => { if (!binary) hear(JSON.parse(data)); });
socket.on('error', (error) => { throw error; });
socket.on('close', (code) => { console.log(JSON.stringify({ ...said, code })); });
