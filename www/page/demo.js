/* A worker that lives in the page: it does what any worker does, one webhook call after another. */

const SCENARIOS = [
  {
    title: 'Bake a lemon cake',
    tasks: [
      ['shop', 'Find the ingredients', ['Checking the cupboard', 'Borrowing two eggs', 'All of it is here']],
      ['whisk', 'Whisk eggs and sugar', ['Slowly at first', 'Faster', 'Pale and fluffy']],
      ['zest', 'Zest four lemons', ['Lemon 1 of 4', 'Lemon 2 of 4', 'Lemon 3 of 4', 'Lemon 4 of 4'],
        'Looking for the grater'],
      ['bake', 'Bake at 175 °C', ['The oven is warm', 'It is rising', 'The kitchen smells good', 'Golden on top']],
      ['cool', 'Let it cool', ['Hands off', 'Still hands off']],
      ['ice', 'Pour the icing', ['Stirring', 'Pouring', 'One for the cook']],
    ],
  },
  {
    title: 'Print tomorrow’s newspaper',
    tasks: [
      ['desk', 'Collect the stories', ['12 stories in', '31 stories in', 'The last one is in']],
      ['facts', 'Check the facts', ['Calling the town hall', 'Checking 84 names', 'One comma moved']],
      ['layout', 'Lay out 24 pages', ['Page 6 of 24', 'Page 13 of 24', 'Page 20 of 24', 'The crossword fits'],
        'Waiting for the photo of the cat'],
      ['plates', 'Burn the plates', ['Cyan', 'Magenta', 'Yellow', 'Black']],
      ['press', 'Run the press', ['9,000 copies', '22,000 copies', '40,000 copies']],
      ['vans', 'Load the vans', ['North is gone', 'South is gone', 'Everyone is gone']],
    ],
  },
  {
    title: 'Launch a small satellite',
    tasks: [
      ['weather', 'Ask for the weather', ['Wind 4 m/s', 'No clouds', 'Go']],
      ['fuel', 'Fill the tanks', ['20 t', '55 t', '90 t', 'Full']],
      ['check', 'Check 412 sensors', ['118 of 412', '260 of 412', '399 of 412', 'All of them agree'],
        'Sensor 300 wants to be asked again'],
      ['count', 'Count down', ['Ten', 'Six', 'Three', 'Two', 'One']],
      ['climb', 'Climb to 540 km', ['Through the clouds', 'Stage one is away', 'It is quiet up here']],
      ['hello', 'Say hello', ['Antenna out', 'Hello, Earth']],
    ],
  },
];

const TOTAL_MS = 16500; // the calls themselves take their time too
const TICK_MS = 420;
const LANES = 2;
const GROUPS = 12;
const BATCH = 256;
const PLAIN = ['Starting', 'Well under way', 'Almost there'];

const pick = (list) => list[Math.floor(Math.random() * list.length)];
const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

export function demoJob() {
  const { title, tasks } = pick(SCENARIOS);
  return {
    title,
    status: 'in_progress',
    metadata: { demo: true },
    tasks: tasks.map(([id, name]) => ({ id, title: name })),
  };
}

/** Many tasks move in at most a dozen groups, so that 20 s are enough for any job. */
function grouped(tasks) {
  const size = Math.max(1, Math.ceil(tasks.length / GROUPS));
  const groups = [];
  for (let i = 0; i < tasks.length; i += size) groups.push(tasks.slice(i, i + size));
  return groups;
}

function script(id) {
  for (const { tasks } of SCENARIOS) {
    const found = tasks.find(([taskId]) => taskId === id);
    if (found) return { notes: found[2], hiccup: found[3] };
  }
  return { notes: PLAIN };
}

async function say(report, group, change) {
  for (let i = 0; i < group.length; i += BATCH) {
    const updates = group.slice(i, i + BATCH).map((task) => ({ taskId: task.id, ...change }));
    await report(updates.length === 1 ? updates[0] : updates);
  }
}

async function work(report, group, budgetMs) {
  const { notes, hiccup } = script(group[0].id);
  const ticks = Math.max(3, Math.round(budgetMs / TICK_MS));
  const first = group[0].progress || 0;
  for (let tick = 0; tick < ticks; tick++) {
    const part = tick / ticks;
    const progress = Math.round(first + (100 - first) * Math.min(1, part + Math.random() * 0.05));
    const note = notes[Math.min(notes.length - 1, Math.floor(part * notes.length))];
    if (hiccup && tick === Math.floor(ticks / 2)) {
      await say(report, group, { status: 'blocked', note: hiccup });
      await wait(TICK_MS * 3);
    }
    await say(report, group, { status: 'in_progress', progress, note });
    await wait(TICK_MS * (0.7 + Math.random() * 0.6));
  }
  await say(report, group, { status: 'completed', progress: 100, note: notes.at(-1) });
}

/** Moves every unfinished task (new ones where there are none) to its end, in about 20 s. */
export async function runDemo({ tasks, report }) {
  let open = tasks.filter((task) => !isDone(task));
  if (!open.length) {
    open = pick(SCENARIOS).tasks.map(([id, title]) => ({ id, title }));
    await report(open.map(({ id, title }) => ({ taskId: id, title, status: 'pending', progress: 0 })));
  }
  const groups = grouped(open);
  const budgetMs = TOTAL_MS / Math.ceil(groups.length / LANES);
  const lane = async (offset) => {
    await wait(offset * 600);
    while (groups.length) await work(report, groups.shift(), budgetMs);
  };
  await Promise.all(Array.from({ length: LANES }, (_, i) => lane(i)));
}

const isDone = ({ status }) => ['completed', 'failed', 'cancelled'].includes(status);
