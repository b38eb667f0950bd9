// The socket to the server: says hello, hands out what comes, comes back when it was cut.

const RETRY_MS = 1000;
const PING_MS = 1000;
const CLOCK_MS = 10000; // clocks drift apart, and a computer that slept has another one
const SILENT_MS = 3000; // states come ten times a second: the line is cut, whatever the socket says

export class Link extends EventTarget {
  constructor(token) {
    super();
    this.token = token;
    this.roundTripMs = null;
    this.clocks = []; // [heard, server's clock less this one's, less its way here] of each state
    this.open();
    setInterval(() => this.check(), PING_MS);
  }

  get connected() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  open() {
    this.clocks = [];
    this.socket = new WebSocket(`ws://${location.host}/socket`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.heardMs = performance.now();
      this.send({ t: "hello", token: this.token });
    };
    this.socket.onclose = () => this.lost();
    this.socket.onmessage = ({ data }) => {
      this.heardMs = performance.now();
      this.take(data);
    };
  }

  lost() {
    this.socket.onclose = this.socket.onmessage = null; // a silent one may take minutes to close
    this.socket.close();
    this.tell("closed");
    setTimeout(() => this.open(), RETRY_MS);
  }

  check() {
    if (this.connected && performance.now() - this.heardMs > SILENT_MS) this.lost();
    this.send({ t: "ping", sent_ms: performance.now() });
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
    if (message.t === "state") this.compareClocks(message.server_ms);
  }

  compareClocks(serverMs) {
    this.clocks = this.clocks.filter(([heardMs]) => this.heardMs - heardMs < CLOCK_MS);
    this.clocks.push([this.heardMs, serverMs - this.heardMs]);
  }

  // The server's clock at the earliest: the state that came fastest still took some time to come.
  // So what is said here is never taken for younger than it is, whichever way has the queue.
  get serverMs() {
    if (!this.clocks.length) return null;
    return performance.now() + Math.max(...this.clocks.map(([, ahead]) => ahead));
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
