// The design joblight replaces, rebuilt from its description to be measured against: Express, an
// EventEmitter per process, better-sqlite3. Same paths, same order: update the task, log the
// activity, broadcast, answer.
//
// Where the description leaves a choice, the faster one is taken: one transaction per update,
// prepared statements, no debug output, NODE_ENV=production (script/bench sets it).
const express = require('express');

const app = express();
app.disable('x-powered-by');
app.use(express.json());
app.use('/api/jobs', require('./routes/jobs'));
app.use('/api/jobs', require('./routes/task-events'));
app.use('/api/agent-hooks', require('./routes/agent-hooks'));

// The default backlog of 511 loses connections when a thousand subscribers come at once.
const port = Number(process.env.PORT ?? 3001);
const server = app.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`express listening on http://127.0.0.1:${server.address().port}`);
});
