// The socket: texts are JSON, binary packets have the header of packets.py. It comes back by itself after a cut.

const HEADER_BYTES = 16;
const SAMPLES = 1;
const RETRY_MS = 1000;

/** Calls `on.TYPE(message)` for texts, `on.samples` and `on.spectrum` for packets, `on.cut()` when the socket has gone. */
export function connect(on) {
  let socket;
  const open = () => {
    const url = new URL("stream", location.href);
    url.protocol = "ws:";
    socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") {
        const message = JSON.parse(data);
        on[message.type]?.(message);
        return;
      }
      const head = new DataView(data);
      const packet = {
        stream: head.getUint8(1), channels: head.getUint16(2, true), n: head.getUint32(4, true),
        first: head.getFloat64(8, true), values: new Float32Array(data, HEADER_BYTES),
      };
      (head.getUint8(0) === SAMPLES ? on.samples : on.spectrum)(packet);
    };
    socket.onclose = () => {
      on.cut();
      setTimeout(open, RETRY_MS);
    };
  };
  open();
  return (command, text = "") => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ do: command, text }));
  };
}
