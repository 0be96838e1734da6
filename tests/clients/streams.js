/* Ten updates as streams of unknown length on one kept connection, and one that is too large. */
import http from "node:http";
import { Readable } from "node:stream";

const [port, job] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const sockets = new Set();

function post(parts) {
  return new Promise((resolve, reject) => {
    const request = http.request({
      port, agent, method: "POST", path: `/api/agent-hooks/task-update/${job}`,
      headers: { "Content-Type": "application/json" },
    }, (answer) => {
      sockets.add(answer.socket);
      let text = "";
      answer.on("data", (piece) => { text += piece; });
      answer.on("end", () => resolve({ status: answer.statusCode, json: JSON.parse(text) }));
    });
    request.on("error", reject);
    Readable.from(parts).pipe(request);
  });
}

const seqs = [];
for (let i = 0; i < 10; i++) {
  const answer = await post(['{"taskId":', `"t${i}"`, ',"note":"', "n".repeat(9000), '"}']);
  seqs.push(answer.json.seq);
}
const connections = sockets.size;
const refused = await post(Array(64).fill("x".repeat(65536)));
console.log(JSON.stringify({ seqs, connections, refused: refused.status }));
agent.destroy();
