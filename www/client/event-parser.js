/* The event stream format of WHATWG HTML, section 9.2.6. */
import { JobLightError } from './errors.js';

/* Returns a function that takes the bytes of the stream. It throws when one event is longer than
 * maxChars. */
export const eventParser = (onEvent, onRetry, maxChars = 16 << 20) => {
  const decoder = new TextDecoder();
  let tail = '', id = '', type = '', data = '', cr;
  const takeLine = (line) => {
    const [, field, value] = /^([^:]*):? ?(.*)/s.exec(line);
    if (!line) {
      if (data) onEvent(data.slice(0, -1), type || 'message', id);
      data = type = '';
    } else if (field === 'data') data += value + '\n';
    else if (field === 'event') type = value;
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) onRetry?.(+value);
  };
  return (bytes) => {
    let text = decoder.decode(bytes, { stream: true });
    if (!text) return; // an empty piece may come between CR and LF
    if (cr && text[0] === '\n') text = text.slice(1); // the second half of a CRLF
    cr = text.endsWith('\r');
    const lines = text.split(/\r\n?|\n/);
    lines[0] = tail + lines[0];
    tail = lines.pop();
    lines.forEach(takeLine);
    if (tail.length + data.length > maxChars) {
      throw new JobLightError('too_big', 'An event is too big');
    }
  };
};
