/* The jobs that the demo worker can do, and its notes. */

export const SCENARIOS = [
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

export const pick = (list) => list[Math.floor(Math.random() * list.length)];

export function demoJob() {
  const { title, tasks } = pick(SCENARIOS);
  return {
    title,
    status: 'in_progress',
    metadata: { demo: true },
    tasks: tasks.map(([id, name]) => ({ id, title: name })),
  };
}
