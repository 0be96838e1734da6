// The npm package `ws`, only watching: node ws_idle.js PORT JOB
// Prints every message's type, and at last the close code.
import WebSocket from 'ws';

const [port, job] = process.argv.slice(2);
const socket = new WebSocket(`ws://127.0.0.1:${port}/api/ws?job=${job}`);

socket.on('message', (data) => console.log(JSON.parse(data).type));
socket.on('ping', () => console.log('ping'));
socket.on('close', (code) => console.log(`closed ${code}`));
