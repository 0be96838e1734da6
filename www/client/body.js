/* Reads the body of a response; each part of it is a sign of life. */
export async function readBody({ liveness }, connection, { body }, take) {
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    connection.signal.throwIfAborted();
    if (done) return;
    liveness.heard(connection);
    take(value);
  }
}
