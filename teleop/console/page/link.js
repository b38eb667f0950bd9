// The socket to the server: says hello, hands out what comes, comes back when it was cut.

const RETRY_MS = 1000;
const PING_MS = 1000;

export class Link extends EventTarget {
  constructor(token) {
    super();
    this.token = token;
    this.roundTripMs = null;
    this.open();
    setInterval(() => this.send({ t: "ping", sent_ms: performance.now() }), PING_MS);
  }

  get connected() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  open() {
    this.socket = new WebSocket(`ws://${location.host}/socket`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.send({ t: "hello", token: this.token });
    this.socket.onclose = () => {
      this.tell("closed");
      setTimeout(() => this.open(), RETRY_MS);
    };
    this.socket.onmessage = ({ data }) => this.take(data);
  }

  send(message) {
    if (this.connected) this.socket.send(JSON.stringify(message));
  }

  take(data) {
    if (data instanceof ArrayBuffer) {
      const length = new DataView(data).getUint32(0);
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
      this.tell("picture", { ...header, jpeg: new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }) });
      return;
    }
    const message = JSON.parse(data);
    if (message.t === "pong") this.roundTripMs = performance.now() - message.sent_ms;
    else this.tell(message.t, message);
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
