// The design joblight replaces, rebuilt from its description, on PostgreSQL: ../express with `pg` in the place of
// better-sqlite3. Same paths, same order: update the task, log the activity, broadcast, answer.
//
// Where the description leaves a choice, the faster one is taken: one statement writes an update, statements are
// prepared, no debug output, NODE_ENV=production.
const express = require('express');
const { createTables } = require('./db');

const app = express();
app.disable('x-powered-by');
app.use(express.json());
app.use('/api/jobs', require('./routes/jobs'));
app.use('/api/agent-hooks', require('./routes/agent-hooks'));

createTables().then(() => {
  const port = Number(process.env.PORT ?? 3001);
  const server = app.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => {
    console.log(`express-pg listening on http://127.0.0.1:${server.address().port} `);
  });
});
