// What people build with the npm package ws: an EventEmitter with an event per job, a listener per socket, and an ack
// to who sent the update. It keeps nothing: no database, no replay.
//
// Where there is a choice the faster one is taken: no compression, the event is put together once for everybody.
const { EventEmitter } = require('node:events');
const { createServer } = require('node:http');
const { WebSocketServer } = require('ws');

const jobs = new EventEmitter();
jobs.setMaxListeners(0);

function publish(socket, message) {
  const { id, jobId, taskId, status, note } = message;
  const event = { type: 'task_update', jobId, taskId, status, title: 'Render pages', note, timestamp: new Date() };
  jobs.emit(jobId, JSON.stringify(event));
  socket.send(JSON.stringify({ type: 'ack', id }));
}

function watch(socket, job) {
  const send = (event) => socket.send(event);
  jobs.on(job, send);
  socket.on('close', () => jobs.off(job, send));
}

const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on('connection', (socket, request) => {
  const job = new URL(request.url, 'http://localhost').searchParams.get('job');
  if (job) watch(socket, job);
  socket.on('message', (text) => publish(socket, JSON.parse(text)));
  socket.on('error', (problem) => console.error(problem.message));
});

// The default backlog of 511 loses connections when a thousand subscribers come at once.
server.listen({ port: Number(process.env.PORT ?? 3001), host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`ws listening on http://127.0.0.1:${server.address().port}`);
});
